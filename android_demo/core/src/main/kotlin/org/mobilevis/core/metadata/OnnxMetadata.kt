package org.mobilevis.core.metadata

import org.mobilevis.core.endingAt
import org.mobilevis.core.startingAt
import java.nio.ByteBuffer

/*
 * An .onnx file is a protobuf ModelProto (https://protobuf.dev/programming-guides/encoding/); its
 * `metadata_props`, field 14, holds StringStringEntryProto with key (1) and value (2). Everything else is skipped
 * by its length, unread.
 */
private const val MODEL_METADATA_PROPS = 14
private const val ENTRY_KEY = 1
private const val ENTRY_VALUE = 2
private const val MAX_VARINT_BYTES = 10

/**
 * The value of [key] in the metadata of an .onnx file; null when there is none.
 *
 * The app needs it before it chooses an engine, and ONNX Runtime gives it only after it has built a session.
 *
 * @param file the whole file, from its position to its limit; hostile.
 * @param limit largest value to return, in bytes.
 * @throws IllegalArgumentException the file is cut off or is no protobuf, or the value is larger than [limit].
 */
fun readOnnxMetadata(
    file: ByteBuffer,
    key: String = METADATA_KEY,
    limit: Int = MAX_METADATA_BYTES,
): ByteArray? {
    var found: ByteArray? = null
    val wanted = key.toByteArray()
    ProtoReader(file).fields { number, content ->
        if (number == MODEL_METADATA_PROPS && content != null) {
            var name: ByteArray? = null
            var value: ByteBuffer? = null
            ProtoReader(content).fields { part, bytes ->
                // A longer key is not ours: do not copy it.
                if (part == ENTRY_KEY && bytes != null && bytes.remaining() == wanted.size) name = copy(bytes)
                if (part == ENTRY_VALUE) value = bytes
            }
            if (name.contentEquals(wanted)) {
                val size = value?.remaining() ?: 0
                require(size <= limit) { "$size bytes of metadata are more than $limit" }
                found = value?.let(::copy) ?: ByteArray(0)
            }
        }
    }
    return found
}

private fun copy(bytes: ByteBuffer): ByteArray = ByteArray(bytes.remaining()).also { bytes.duplicate().get(it) }

/** Walks the fields of one message. */
private class ProtoReader(
    file: ByteBuffer,
) {
    private val data = file.duplicate()

    /** Calls [visit] with each field's number and, for those with a length, their content. */
    fun fields(visit: (Int, ByteBuffer?) -> Unit) {
        while (data.hasRemaining()) {
            val tag = varint()
            val number = tag ushr 3
            require(number in 1..MAX_FIELD_NUMBER) { "field $number is no protobuf" }
            when (val wire = (tag and 7).toInt()) {
                0 -> varint().also { visit(number.toInt(), null) }
                1 -> skip(8).also { visit(number.toInt(), null) }
                2 -> visit(number.toInt(), skip(varint()))
                5 -> skip(4).also { visit(number.toInt(), null) }
                else -> throw IllegalArgumentException("wire type $wire is not known")
            }
        }
    }

    private fun varint(): Long {
        var value = 0L
        for (i in 0 until MAX_VARINT_BYTES) {
            require(data.hasRemaining()) { "the file is cut off" }
            val byte = data.get().toLong()
            value = value or (byte and 0x7F shl 7 * i)
            if (byte >= 0) return value
        }
        throw IllegalArgumentException("a number is longer than $MAX_VARINT_BYTES bytes")
    }

    private fun skip(bytes: Long): ByteBuffer {
        require(bytes in 0..data.remaining()) { "the file is cut off" }
        val end = data.position() + bytes.toInt()
        val content = data.duplicate().endingAt(end)
        data.startingAt(end)
        return content
    }

    private companion object {
        const val MAX_FIELD_NUMBER = (1L shl 29) - 1
    }
}
