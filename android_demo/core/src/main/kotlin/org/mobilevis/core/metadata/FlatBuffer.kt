package org.mobilevis.core.metadata

import org.mobilevis.core.startingAt
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Where a table lacks a field. */
internal const val ABSENT = 0L

/**
 * Reads the tables of a FlatBuffer (https://flatbuffers.dev/internals/), whose fields are numbered by their order in
 * the schema. Positions are of bytes from the file's begin; each is checked when it is read.
 *
 * @param file the whole file, from position 0; hostile. What leads out of it is an [IndexOutOfBoundsException].
 */
internal class FlatBuffer(
    file: ByteBuffer,
) {
    private val data = file.duplicate().order(ByteOrder.LITTLE_ENDIAN)

    /** The table that the file holds. */
    val root: Long get() = follow(0)

    /** What the offset at [position] leads to. */
    fun follow(position: Long): Long = position + uint32(position)

    fun uint8(position: Long): Int = data.get(at(position)).toInt() and 0xFF

    fun int32(position: Long): Int = data.getInt(at(position))

    fun uint32(position: Long): Long = int32(position).toLong() and 0xFFFFFFFFL

    /** Position of a table's field, found through the table's vtable; [ABSENT] where it has its default. */
    fun field(
        table: Long,
        number: Int,
    ): Long {
        val vtable = table - int32(table)
        val slot = 4 + 2 * number
        val offset = if (slot < uint16(vtable)) uint16(vtable + slot) else 0
        return if (offset == 0) ABSENT else table + offset
    }

    /** The vector of items of [itemBytes] that a [field] leads to; empty where it is absent. */
    fun vector(
        field: Long,
        itemBytes: Int,
    ): Vector {
        if (field == ABSENT) return Vector(0, 0, itemBytes)
        val start = follow(field)
        val count = uint32(start)
        if (start + 4 + count * itemBytes > data.limit()) throw IndexOutOfBoundsException("a vector of $count items")
        return Vector(start + 4, count.toInt(), itemBytes)
    }

    /** The bytes or the text that a [field] leads to; more than [limit] are an [IllegalArgumentException]. */
    fun bytes(
        field: Long,
        limit: Int,
    ): ByteArray {
        val place = vector(field, 1)
        require(place.count <= limit) { "${place.count} bytes of metadata are more than $limit" }
        val view = data.duplicate().startingAt(place.first.toInt())
        return ByteArray(place.count).also { view.get(it) }
    }

    private fun uint16(position: Long): Int = data.getShort(at(position)).toInt() and 0xFFFF

    private fun at(position: Long): Int {
        if (position !in 0 until data.limit()) throw IndexOutOfBoundsException("position $position")
        return position.toInt()
    }

    /** Position of the [first] item, and how many there are. */
    class Vector(
        val first: Long,
        val count: Int,
        private val itemBytes: Int,
    ) {
        /** Position of an item. */
        operator fun get(index: Long): Long {
            if (index !in 0 until count) throw IndexOutOfBoundsException("item $index of $count")
            return first + index * itemBytes
        }
    }
}

/** Makes what leads out of a [file] an [IllegalArgumentException], as readers of metadata throw. */
internal fun <T> readFlatBuffer(
    file: ByteBuffer,
    read: (FlatBuffer) -> T,
): T =
    try {
        read(FlatBuffer(file))
    } catch (error: IndexOutOfBoundsException) {
        throw IllegalArgumentException("an offset leads out of the file", error)
    }
