package org.mobilevis.core.metadata

import java.nio.ByteBuffer
import java.nio.ByteOrder

/*
 * A .tflite file is a FlatBuffer (https://flatbuffers.dev/internals/) of TensorFlow's schema, with fields numbered
 * by their order in their table (compiler/mlir/lite/schema/schema.fbs). Every offset is checked.
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
    try {
        FlatBuffer(file, limit).metadata(name.toByteArray())
    } catch (error: IndexOutOfBoundsException) {
        throw IllegalArgumentException("an offset leads out of the file", error)
    }

private class FlatBuffer(
    file: ByteBuffer,
    private val limit: Int,
) {
    private val data = file.duplicate().order(ByteOrder.LITTLE_ENDIAN)

    fun metadata(name: ByteArray): ByteArray? {
        val model = target(0)
        val entries = Vector(field(model, MODEL_METADATA), 4)
        for (i in 0 until entries.count) {
            val entry = target(entries.first + 4L * i)
            if (!content(field(entry, METADATA_NAME)).contentEquals(name)) continue
            val place = field(entry, METADATA_BUFFER)
            val index = if (place == 0L) 0L else uint32(place)
            val buffers = Vector(field(model, MODEL_BUFFERS), 4)
            if (index >= buffers.count) throw IndexOutOfBoundsException("buffer $index")
            val buffer = target(buffers.first + 4 * index)
            return content(field(buffer, BUFFER_DATA))
        }
        return null
    }

    private fun at(position: Long): Int {
        if (position !in 0 until data.limit()) throw IndexOutOfBoundsException("position $position")
        return position.toInt()
    }

    private fun uint32(position: Long): Long = data.getInt(at(position)).toLong() and 0xFFFFFFFFL

    private fun uint16(position: Long): Int = data.getShort(at(position)).toInt() and 0xFFFF

    private fun target(position: Long): Long = position + uint32(position)

    /** Position of a table's field, found through the table's vtable; 0 when the field is absent. */
    private fun field(
        table: Long,
        number: Int,
    ): Long {
        val vtable = table - data.getInt(at(table))
        val slot = 4 + 2 * number
        val offset = if (slot < uint16(vtable)) uint16(vtable + slot) else 0
        return if (offset == 0) 0L else table + offset
    }

    private fun content(field: Long): ByteArray {
        val bytes = Vector(field, 1)
        require(bytes.count <= limit) { "${bytes.count} bytes of metadata are more than $limit" }
        val result = ByteArray(bytes.count)
        val view = data.duplicate()
        view.position(bytes.first.toInt())
        view.get(result)
        return result
    }

    /** The vector that a field points to: position of its first item, number of items. */
    private inner class Vector(
        field: Long,
        itemBytes: Int,
    ) {
        val first: Long
        val count: Int

        init {
            val start = if (field == 0L) 0L else target(field)
            val items = if (field == 0L) 0L else uint32(start)
            if (start + 4 + items * itemBytes >
                data.limit()
            ) {
                throw IndexOutOfBoundsException("a vector of $items items")
            }
            first = start + 4
            count = items.toInt()
        }
    }
}
