package org.mobilevis.core.mask

import org.mobilevis.core.frame.Letterbox
import kotlin.math.ceil
import kotlin.math.floor

/** One object's place in the source frame: its tight [box], and its [mask] of the box's size. */
class PlacedMask(
    val box: Box,
    val mask: BitMask,
)

/**
 * Undoes the letterbox for masks: bilinear interpolation of the logits, then the threshold.
 *
 * Only the part of the frame that foreground cells can reach is interpolated: 20 whole 720p masks would cost more
 * than the network's decoder.
 *
 * @param letterbox where the source frame lies in the input.
 * @param stride input pixels for each cell.
 * @param threshold logit above which a pixel is foreground.
 */
class MaskUpsampler(
    private val letterbox: Letterbox,
    stride: Int,
    private val threshold: Float,
) {
    private val content = letterbox.contentCells(stride)
    private val rowScale = letterbox.cellsPerRow(stride)
    private val columnScale = letterbox.cellsPerColumn(stride)
    private val left = IntArray(letterbox.frame.width)
    private val right = IntArray(letterbox.frame.width)
    private val weight = FloatArray(letterbox.frame.width)
    private val line = FloatArray(content.width)
    private val reached = BitMask(letterbox.frame.height, letterbox.frame.width)

    init {
        for (x in left.indices) {
            val cell = (x + 0.5) * columnScale - 0.5
            val first = floor(cell).toInt()
            left[x] = first.coerceIn(0, content.width - 1)
            right[x] = (first + 1).coerceIn(0, content.width - 1)
            weight[x] = (cell - first).toFloat()
        }
    }

    /**
     * The mask in the source frame; null if no pixel of it is foreground.
     *
     * @param logits of the letterbox's content cells.
     */
    fun place(logits: LogitPlane): PlacedMask? {
        val cells = logits.foregroundBox(threshold) ?: return null
        val region = reach(cells)
        val box = interpolate(logits, region) ?: return null
        val mask = BitMask(box.height, box.width)
        for (y in 0 until box.height) {
            for (x in 0 until box.width) if (reached[box.y0 + y, box.x0 + x]) mask.set(y, x)
        }
        return PlacedMask(box, mask)
    }

    /** Pixels whose two neighbouring cells include one of these cells. */
    private fun reach(cells: Box): Box {
        val frame = letterbox.frame
        return Box(
            start(cells.x0, columnScale, frame.width),
            start(cells.y0, rowScale, frame.height),
            end(cells.x1 - 1, columnScale, frame.width),
            end(cells.y1 - 1, rowScale, frame.height),
        )
    }

    private fun start(
        cell: Int,
        scale: Double,
        size: Int,
    ): Int = floor((cell - 0.5) / scale - 0.5).toInt().coerceIn(0, size - 1)

    private fun end(
        cell: Int,
        scale: Double,
        size: Int,
    ): Int = (ceil((cell + 1.5) / scale - 0.5).toInt() + 1).coerceIn(1, size)

    /** Marks the pixels of [region] above the threshold in [reached]; their tight box, or null without any. */
    private fun interpolate(
        logits: LogitPlane,
        region: Box,
    ): Box? {
        var top = -1
        var bottom = -1
        var first = letterbox.frame.width
        var last = -1
        for (y in region.y0 until region.y1) {
            interpolateCells(logits, y, left[region.x0], right[region.x1 - 1])
            val words = y * reached.stride
            reached.words.fill(0L, words, words + reached.stride)
            for (x in region.x0 until region.x1) {
                val a = line[left[x]]
                if (a + (line[right[x]] - a) * weight[x] <= threshold) continue
                reached.set(y, x)
                if (top < 0) top = y
                bottom = y
                if (x < first) first = x
                if (x > last) last = x
            }
        }
        return if (top < 0) null else Box(first, top, last + 1, bottom + 1)
    }

    /** The cells [from] … [to] of pixel row [y], between two rows of cells, into [line]. */
    private fun interpolateCells(
        logits: LogitPlane,
        y: Int,
        from: Int,
        to: Int,
    ) {
        val cell = (y + 0.5) * rowScale - 0.5
        val row = floor(cell).toInt()
        val low = (cell - row).toFloat()
        val upper = logits.offset + row.coerceIn(0, content.height - 1) * logits.rowStride
        val lower = logits.offset + (row + 1).coerceIn(0, content.height - 1) * logits.rowStride
        val values = logits.values
        for (i in from..to) line[i] = values[upper + i] + (values[lower + i] - values[upper + i]) * low
    }
}
