package org.mobilevis.core.engine

import org.mobilevis.core.startingAt
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer

/**
 * A tensor that engines read and write in place: contiguous float32 in a direct buffer of the machine's byte order.
 *
 * @property shape of the tensor; its last dimension is contiguous.
 */
class Tensor(
    val shape: List<Int>,
) {
    /** Number of elements. */
    val size: Int = shape.fold(1, Math::multiplyExact)

    /** The memory itself, for engines; use a duplicate to move positions. */
    val bytes: ByteBuffer =
        ByteBuffer.allocateDirect(Math.multiplyExact(size, Float.SIZE_BYTES)).order(ByteOrder.nativeOrder())

    /** The same memory as floats. */
    val floats: FloatBuffer = bytes.asFloatBuffer()

    /** Copies [count] elements from element [start] on into [into], from [intoIndex] on. */
    fun read(
        into: FloatArray,
        start: Int = 0,
        count: Int = size - start,
        intoIndex: Int = 0,
    ) {
        floats.startingAt(start).get(into, intoIndex, count)
        floats.startingAt(0)
    }

    /** Copies the first [count] elements of [from] to element [start] on. */
    fun write(
        from: FloatArray,
        start: Int = 0,
        count: Int = from.size,
        fromIndex: Int = 0,
    ) {
        floats.startingAt(start).put(from, fromIndex, count)
        floats.startingAt(0)
    }
}
