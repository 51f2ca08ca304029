package org.mobilevis.app.stream

import org.mobilevis.core.frame.Frame
import org.mobilevis.core.metadata.Size

/** Longest side of the picture on the screen, in pixels; a camera's 1280 × 720 is shown at half its size. */
const val LONGEST_PREVIEW_SIDE = 640

/**
 * A frame as ARGB pixels for the screen, every n-th one of a large frame.
 *
 * @param frame size of the frames.
 */
class PreviewPixels(
    private val frame: Size,
) {
    private val step = (maxOf(frame.height, frame.width) + LONGEST_PREVIEW_SIDE - 1) / LONGEST_PREVIEW_SIDE
    private val line = FloatArray(3 * frame.width)

    /** Size of the picture. */
    val size = Size((frame.height + step - 1) / step, (frame.width + step - 1) / step)

    /** (height, width) opaque ARGB. */
    val argb = IntArray(size.height * size.width)

    /** Takes over the frame's pixels. */
    fun read(source: Frame) {
        for (y in 0 until size.height) {
            source.readRow(y * step, line)
            for (x in 0 until size.width) {
                val at = x * step
                val red = line[at].toInt()
                val green = line[frame.width + at].toInt()
                val blue = line[2 * frame.width + at].toInt()
                argb[y * size.width + x] = OPAQUE or (red shl 16) or (green shl 8) or blue
            }
        }
    }

    private companion object {
        const val OPAQUE = 0xFF shl 24
    }
}
