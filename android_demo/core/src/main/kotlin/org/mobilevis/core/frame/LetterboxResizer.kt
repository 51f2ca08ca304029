package org.mobilevis.core.frame

import org.mobilevis.core.engine.Tensor

/**
 * Resizes and pads frames of one size into a network's input, row by row: each source row is read once.
 *
 * Bilinear taps alone skip pixels of a large frame and alias, so a frame of twice the content's height or more is
 * first averaged over areas of a whole factor. Values between the two are rounded, as 8-bit pictures are.
 *
 * @property letterbox where the frame goes.
 */
class LetterboxResizer(
    val letterbox: Letterbox,
) {
    private val source = SourceRows(letterbox.frame.height, letterbox.frame.width)
    private val resized: Rows = resizing()
    private val line = FloatArray(3 * letterbox.content.width)

    private fun resizing(): Rows {
        val (height, width) = letterbox.content
        val factor = letterbox.frame.height / height
        val averaged =
            if (factor > 1) {
                AreaRows(source, maxOf(height, source.height / factor), maxOf(width, source.width / factor))
            } else {
                source
            }
        return BilinearRows(averaged, height, width)
    }

    /**
     * Resize one frame; the padding of [into] is left as it is, so begin with a zeroed tensor.
     *
     * @param frame of the letterbox's frame size.
     * @param into (1, 3, input height, input width) RGB in [0, 255].
     */
    fun resize(
        frame: Frame,
        into: Tensor,
    ) {
        require(frame.height == source.height && frame.width == source.width) { "a frame of another size" }
        val (inputHeight, inputWidth) = letterbox.input
        val width = letterbox.content.width
        source.begin(frame)
        resized.restart()
        for (y in 0 until letterbox.content.height) {
            resized.read(y, line)
            for (channel in 0 until 3) {
                into.write(line, (channel * inputHeight + y) * inputWidth, width, channel * width)
            }
        }
    }
}

/** Rows of a picture, three planes of [width] values each, asked for from top to bottom. */
internal interface Rows {
    val height: Int
    val width: Int

    /** Forgets rows of the picture before. */
    fun restart()

    fun read(
        y: Int,
        into: FloatArray,
    )
}

private class SourceRows(
    override val height: Int,
    override val width: Int,
) : Rows {
    private lateinit var frame: Frame

    fun begin(frame: Frame) {
        this.frame = frame
    }

    override fun restart() = Unit

    override fun read(
        y: Int,
        into: FloatArray,
    ) = frame.readRow(y, into)
}

/** Averages over equal areas; an area's edge takes its share of the pixel that it cuts. */
private class AreaRows(
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

/** Bilinear interpolation between pixel centres; beyond the outermost ones their value goes on. */
private class BilinearRows(
    private val source: Rows,
    override val height: Int,
    override val width: Int,
) : Rows {
    private val down = BilinearTaps(source.height, height)
    private val across = BilinearTaps(source.width, width)
    private var upper = FloatArray(3 * source.width)
    private var lower = FloatArray(3 * source.width)
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
        val low = down.weight[y]
        for (channel in 0 until 3) {
            val from = channel * source.width
            val to = channel * width
            for (x in 0 until width) {
                val a = from + across.first[x]
                val b = from + across.second[x]
                val right = across.weight[x]
                val above = upper[a] + (upper[b] - upper[a]) * right
                val below = lower[a] + (lower[b] - lower[a]) * right
                into[to + x] = (above + (below - above) * low + 0.5f).toInt().toFloat()
            }
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
            source.read(first, upper)
            upperY = first
        }
        if (second == lowerY) return
        if (second == first) upper.copyInto(lower) else source.read(second, lower)
        lowerY = second
    }
}

private class BilinearTaps(
    before: Int,
    after: Int,
) {
    val first = IntArray(after)
    val second = IntArray(after)
    val weight = FloatArray(after)

    init {
        val scale = before.toDouble() / after
        for (i in 0 until after) {
            val centre = ((i + 0.5) * scale - 0.5).coerceIn(0.0, before - 1.0)
            first[i] = centre.toInt()
            second[i] = minOf(first[i] + 1, before - 1)
            weight[i] = (centre - first[i]).toFloat()
        }
    }
}
