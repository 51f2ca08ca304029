package org.mobilevis.core.results

import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.Box
import org.mobilevis.core.metadata.Size

/**
 * COCO's compressed run-length encoding of a mask that is known inside its box only.
 *
 * Runs are counted down the columns of the frame, zeros first. The string holds each run as its difference to the
 * run two before it, in groups of five bits, least significant first, with a continuation bit, offset by 48
 * (`rleToString` in cocodataset/cocoapi).
 *
 * @param mask of the box's size.
 * @param frame size of the whole mask.
 */
fun encodeRle(
    mask: BitMask,
    box: Box,
    frame: Size,
): String {
    val runs = RunWriter()
    for (x in 0 until box.width) {
        val top = (box.x0 + x).toLong() * frame.height + box.y0
        for (y in 0 until box.height) if (mask[y, x]) runs.foreground(top + y)
    }
    return runs.finish(frame.height.toLong() * frame.width)
}

private class RunWriter {
    private val out = StringBuilder()
    private var start = 0L
    private var end = 0L
    private var position = 0
    private var last = 0L
    private var beforeLast = 0L

    /** The next foreground pixel, in the order of the frame's columns. */
    fun foreground(pixel: Long) {
        if (pixel == end && end > 0) {
            end++
            return
        }
        flush(pixel)
        start = pixel
        end = pixel + 1
    }

    fun finish(pixels: Long): String {
        if (end == 0L) write(pixels) else flush(pixels)
        return out.toString()
    }

    /** Writes the run so far, and the background up to [next]. */
    private fun flush(next: Long) {
        if (end > 0) write(end - start)
        if (next > end || end == 0L) write(next - end)
    }

    private fun write(run: Long) {
        var value = if (position > 2) run - beforeLast else run
        position++
        beforeLast = last
        last = run
        do {
            val group = (value and 0x1F).toInt()
            value = value shr 5
            val more = if (group and 0x10 != 0) value != -1L else value != 0L
            out.append((group + (if (more) 0x20 else 0) + 48).toChar())
        } while (more)
    }
}
