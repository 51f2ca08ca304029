package org.mobilevis.core.frame

import kotlin.math.floor

/**
 * Bilinear interpolation between pixel centres; beyond the outermost ones their value goes on.
 *
 * Weights are multiples of 2^-11 and the last bits are cut where OpenCV's `VResizeLinear` for 8-bit pictures cuts
 * them.
 */
internal class BilinearRows(
    private val source: Rows,
    override val height: Int,
    override val width: Int,
) : Rows {
    private val down = BilinearTaps(source.height, height)
    private val across = BilinearTaps(source.width, width)
    private val line = FloatArray(3 * source.width)
    private var upper = IntArray(3 * width)
    private var lower = IntArray(3 * width)
    private var upperY = -1
    private var lowerY = -1

    override fun restart() {
        upperY = -1
        lowerY = -1
        source.restart()
    }

    override fun read(
        y: Int,
        into: FloatArray,
    ) {
        fetch(down.first[y], down.second[y])
        val above = upper
        val below = lower
        val belowWeight = down.weight[y]
        val aboveWeight = ONE - belowWeight
        for (x in 0 until 3 * width) {
            val sum = (aboveWeight * above[x] shr PRODUCT_BITS) + (belowWeight * below[x] shr PRODUCT_BITS)
            into[x] = (sum + 2 shr 2).toFloat()
        }
    }

    private fun fetch(
        first: Int,
        second: Int,
    ) {
        if (first != upperY) {
            val other = upper
            upper = lower
            lower = other
            val otherY = upperY
            upperY = lowerY
            lowerY = otherY
        }
        if (first != upperY) {
            interpolate(first, upper)
            upperY = first
        }
        if (second == lowerY) return
        if (second == first) upper.copyInto(lower) else interpolate(second, lower)
        lowerY = second
    }

    private fun interpolate(
        y: Int,
        into: IntArray,
    ) {
        source.read(y, line)
        val first = across.first
        val second = across.second
        val weight = across.weight
        for (channel in 0 until 3) {
            val from = channel * source.width
            val to = channel * width
            for (x in 0 until width) {
                val left = line[from + first[x]].toInt()
                val right = line[from + second[x]].toInt()
                into[to + x] = (left shl WEIGHT_BITS) + (right - left) * weight[x] shr LOST_BITS
            }
        }
    }

    private companion object {
        /** Of a product across before it meets the weight down. */
        const val LOST_BITS = 4
        const val PRODUCT_BITS = 16
    }
}

private const val WEIGHT_BITS = 11
private const val ONE = 1 shl WEIGHT_BITS

private class BilinearTaps(
    before: Int,
    after: Int,
) {
    val first = IntArray(after)
    val second = IntArray(after)

    /** Of the second, in multiples of 2^-11. */
    val weight = IntArray(after)

    init {
        val scale = before.toDouble() / after
        for (i in 0 until after) {
            val centre = ((i + 0.5) * scale - 0.5).toFloat()
            val whole = floor(centre)
            first[i] = whole.toInt().coerceIn(0, before - 1)
            second[i] = (whole.toInt() + 1).coerceIn(0, before - 1)
            weight[i] = Math.rint(((centre - whole) * ONE).toDouble()).toInt()
        }
    }
}
