package org.mobilevis.core.driver

import org.mobilevis.core.Instance
import org.mobilevis.core.association.orderByScore
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.mask.Box
import org.mobilevis.core.mask.LogitPlane
import org.mobilevis.core.mask.MaskUpsampler

/** What takes cells from another of its class; fainter ones are often a second look at the same object. */
private const val PARTED_SCORE = 0.3f

/** Masks that overlap by so much are one object's, found twice, and stay. */
private const val PARTED_IOU = 0.4

/**
 * What a frame shows, one row for each mask: identity, class, score and where its logits begin.
 *
 * @param capacity most rows.
 */
internal class Shown(
    capacity: Int,
) {
    val ids = IntArray(capacity)
    val classes = IntArray(capacity)
    val scores = FloatArray(capacity)
    val offsets = IntArray(capacity)
    var count = 0
        private set
    private val order = IntArray(capacity)
    private val boxes = arrayOfNulls<Box>(capacity)
    private val areas = IntArray(capacity)
    private val isRival = BooleanArray(capacity * capacity)

    /** Begins a frame. */
    fun clear() {
        count = 0
    }

    /** Adds a row. */
    fun add(
        id: Int,
        classIndex: Int,
        score: Float,
        offset: Int,
    ) {
        ids[count] = id
        classes[count] = classIndex
        scores[count] = score
        offsets[count++] = offset
    }

    /**
     * Give each cell that several sure instances of a class claim to the one whose logit is highest.
     *
     * The others have the highest one mirrored at the threshold there, if not less: no two logits add up to more than
     * twice the threshold, so that interpolated masks do not share a pixel either. That changes cells that both of a
     * pair claim or border on, pair by pair in the order of the rows; equal logits stay.
     *
     * @param plane window into the logits, which change; its size is that of the cells without padding.
     * @param threshold logit above which a cell is foreground.
     */
    fun partMasks(
        plane: LogitPlane,
        threshold: Float,
    ) {
        for (row in 0 until count) {
            plane.offset = offsets[row]
            boxes[row] = if (scores[row] >= PARTED_SCORE) plane.foregroundBox(threshold) else null
            areas[row] = boxes[row]?.let { countShared(row, row, it, plane, threshold) } ?: 0
        }
        forEachPair { first, second, border ->
            val shared = countShared(first, second, border, plane, threshold)
            isRival[first * classes.size + second] = shared < PARTED_IOU * (areas[first] + areas[second] - shared)
        }
        forEachPair { first, second, border ->
            if (isRival[first * classes.size + second]) part(first, second, border, plane, threshold)
        }
    }

    /** Pairs of one class with the cells that lie in both boxes, or one cell beside. */
    private inline fun forEachPair(visit: (first: Int, second: Int, border: Box) -> Unit) {
        for (first in 0 until count) {
            val one = boxes[first] ?: continue
            for (second in first + 1 until count) {
                val other = boxes[second] ?: continue
                if (classes[first] != classes[second]) continue
                val (left, top) = maxOf(one.x0, other.x0) - 1 to maxOf(one.y0, other.y0) - 1
                val border = Box(left, top, minOf(one.x1, other.x1) + 1, minOf(one.y1, other.y1) + 1)
                visit(first, second, border)
            }
        }
    }

    private inline fun forEachCell(
        border: Box,
        plane: LogitPlane,
        visit: (cell: Int) -> Unit,
    ) {
        for (row in maxOf(border.y0, 0) until minOf(border.y1, plane.size.height)) {
            for (column in maxOf(border.x0, 0) until minOf(border.x1, plane.size.width)) {
                visit(row * plane.rowStride + column)
            }
        }
    }

    private fun countShared(
        first: Int,
        second: Int,
        border: Box,
        plane: LogitPlane,
        threshold: Float,
    ): Int {
        var shared = 0
        forEachCell(border, plane) { cell ->
            val lower = minOf(plane.values[offsets[first] + cell], plane.values[offsets[second] + cell])
            if (lower > threshold) shared++
        }
        return shared
    }

    private fun part(
        first: Int,
        second: Int,
        border: Box,
        plane: LogitPlane,
        threshold: Float,
    ) {
        val values = plane.values
        forEachCell(border, plane) { cell ->
            val a = offsets[first] + cell
            val b = offsets[second] + cell
            if (values[a] < values[b]) {
                values[a] = minOf(values[a], 2f * threshold - values[b])
            } else if (values[b] < values[a]) {
                values[b] = minOf(values[b], 2f * threshold - values[a])
            }
        }
    }

    /**
     * The instances of the frame, by falling score; those whose masks are empty there are left out.
     *
     * @param plane window into the logits, moved from row to row.
     * @param leastScore instances below it are left out.
     */
    fun instances(
        plane: LogitPlane,
        upsampler: MaskUpsampler,
        letterbox: Letterbox,
        leastScore: Float,
    ): List<Instance> {
        val result = ArrayList<Instance>(count)
        orderByScore(scores, count, order)
        for (place in 0 until count) {
            val row = order[place]
            if (scores[row] < leastScore) break
            plane.offset = offsets[row]
            val placed = upsampler.place(plane) ?: continue
            result +=
                Instance(
                    ids[row],
                    classes[row],
                    minOf(scores[row], 1f),
                    placed.box,
                    placed.mask,
                    letterbox.frame,
                )
        }
        return result
    }
}
