package org.mobilevis.core.frame

/** Averages over equal areas; an area's edge takes its share of the pixel that it cuts. */
internal class AreaRows(
    private val source: Rows,
    override val height: Int,
    override val width: Int,
) : Rows {
    private val down = AreaWeights(source.height, height)
    private val across = AreaWeights(source.width, width)
    private val whole = FloatArray(3 * source.width)
    private val narrow = FloatArray(3 * width)
    private var narrowY = -1

    override fun restart() {
        narrowY = -1
        source.restart()
    }

    override fun read(
        y: Int,
        into: FloatArray,
    ) {
        into.fill(0f, 0, 3 * width)
        for (i in down.first[y] until down.first[y + 1]) {
            if (down.index[i] != narrowY) average(down.index[i])
            val weight = down.weight[i]
            for (x in narrow.indices) into[x] += weight * narrow[x]
        }
        for (x in 0 until 3 * width) into[x] = Math.rint(into[x].toDouble()).toFloat()
    }

    private fun average(y: Int) {
        source.read(y, whole)
        narrowY = y
        for (channel in 0 until 3) {
            val from = channel * source.width
            for (x in 0 until width) {
                var sum = 0f
                for (i in across.first[x] until across.first[x + 1]) {
                    sum += across.weight[i] * whole[from + across.index[i]]
                }
                narrow[channel * width + x] = sum
            }
        }
    }
}

/** Which pixels make up each of [after] areas of a side of [before] pixels, and with which share. */
private class AreaWeights(
    before: Int,
    after: Int,
) {
    val first = IntArray(after + 1)
    val index: IntArray
    val weight: FloatArray

    init {
        val scale = before.toDouble() / after
        val indices = ArrayList<Int>()
        val weights = ArrayList<Float>()
        for (area in 0 until after) {
            val start = area * scale
            val end = minOf(start + scale, before.toDouble())
            for (pixel in start.toInt() until before) {
                val share = minOf(end, pixel + 1.0) - maxOf(start, pixel.toDouble())
                if (share < LEAST_SHARE) break
                indices += pixel
                weights += (share / (end - start)).toFloat()
            }
            first[area + 1] = indices.size
        }
        index = indices.toIntArray()
        weight = weights.toFloatArray()
    }

    private companion object {
        /** Less of a pixel than this is rounding of the area's edge. */
        const val LEAST_SHARE = 1e-6
    }
}
