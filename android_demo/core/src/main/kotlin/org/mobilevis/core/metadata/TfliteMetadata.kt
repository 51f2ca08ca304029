package org.mobilevis.core.metadata

import java.nio.ByteBuffer

/*
 * A .tflite file is a FlatBuffer of TensorFlow's schema (compiler/mlir/lite/schema/schema.fbs).
 */
private const val MODEL_BUFFERS = 4
private const val MODEL_METADATA = 6
private const val METADATA_NAME = 0
private const val METADATA_BUFFER = 1
private const val BUFFER_DATA = 0

/** The four bytes at offset 4 of every .tflite file. */
const val TFLITE_IDENTIFIER = "TFL3"

/**
 * The content of the metadata buffer called [name]; null when there is none.
 *
 * @param file the whole file, from position 0; hostile.
 * @param limit largest content to return, in bytes.
 * @throws IllegalArgumentException an offset leads out of the file, or the content is larger than [limit].
 */
fun readTfliteMetadata(
    file: ByteBuffer,
    name: String = METADATA_KEY,
    limit: Int = MAX_METADATA_BYTES,
): ByteArray? =
    readFlatBuffer(file) { buffer ->
        val entries = buffer.vector(buffer.field(buffer.root, MODEL_METADATA), 4)
        val wanted = name.toByteArray()
        for (i in 0L until entries.count) {
            val entry = buffer.follow(entries[i])
            if (!buffer.bytes(buffer.field(entry, METADATA_NAME), limit).contentEquals(wanted)) continue
            val place = buffer.field(entry, METADATA_BUFFER)
            val index = if (place == ABSENT) 0L else buffer.uint32(place)
            val content = buffer.follow(buffer.vector(buffer.field(buffer.root, MODEL_BUFFERS), 4)[index])
            return@readFlatBuffer buffer.bytes(buffer.field(content, BUFFER_DATA), limit)
        }
        null
    }
