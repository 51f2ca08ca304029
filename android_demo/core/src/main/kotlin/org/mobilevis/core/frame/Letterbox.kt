package org.mobilevis.core.frame

import org.mobilevis.core.metadata.Size

/**
 * Where a source frame lies inside the network's input: the aspect is kept, padding is right and below.
 *
 * @property frame size of the source frame.
 * @property input size of the network's input.
 * @property content size of the resized frame, in the upper left corner of the input.
 */
data class Letterbox(
    val frame: Size,
    val input: Size,
    val content: Size,
) {
    /** Rows and columns of a map with [stride] that see any of the frame; the rest sees padding. */
    fun contentCells(stride: Int): Size =
        Size((content.height + stride - 1) / stride, (content.width + stride - 1) / stride)

    /** Cells of a map with [stride] for each source pixel, downwards. */
    fun cellsPerRow(stride: Int): Double = content.height.toDouble() / frame.height / stride

    /** Cells of a map with [stride] for each source pixel, to the right. */
    fun cellsPerColumn(stride: Int): Double = content.width.toDouble() / frame.width / stride

    companion object {
        /** The largest resize of the frame that keeps its aspect and fits into the input. */
        fun fit(
            frame: Size,
            input: Size,
        ): Letterbox {
            val scale = minOf(input.height.toDouble() / frame.height, input.width.toDouble() / frame.width)
            return Letterbox(
                frame,
                input,
                Size(side(frame.height, scale, input.height), side(frame.width, scale, input.width)),
            )
        }

        /** Halves go to the even number, as Python's `round` has it. */
        private fun side(
            pixels: Int,
            scale: Double,
            limit: Int,
        ): Int = Math.rint(pixels * scale).toInt().coerceIn(1, limit)
    }
}
