package org.mobilevis.core.frame

import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Size

/**
 * Resizes and pads frames of one size into a network's input, row by row: each source row is read once.
 *
 * Bilinear taps alone skip pixels of a large frame and alias, so a frame of twice the content's height or more is
 * first averaged over areas of a whole factor. Both steps give 8-bit values, those of OpenCV's `INTER_AREA` and
 * `INTER_LINEAR`: networks amplify a grey level at an object's edge.
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
        if (factor <= 1) return BilinearRows(source, height, width)
        val averaged = Size(maxOf(height, source.height / factor), maxOf(width, source.width / factor))
        val rows = if (source.isTwice(averaged)) HalfRows(source) else AreaRows(source, averaged.height, averaged.width)
        return BilinearRows(rows, height, width)
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

    fun isTwice(size: Size): Boolean = height == 2 * size.height && width == 2 * size.width

    override fun read(
        y: Int,
        into: FloatArray,
    ) = frame.readRow(y, into)

    fun readHalf(
        y: Int,
        into: FloatArray,
    ) = frame.readHalfRow(y, into)
}

/** Means of two by two pixels. */
private class HalfRows(
    private val source: SourceRows,
) : Rows {
    override val height = source.height / 2
    override val width = source.width / 2

    override fun restart() = source.restart()

    override fun read(
        y: Int,
        into: FloatArray,
    ) = source.readHalf(y, into)
}
