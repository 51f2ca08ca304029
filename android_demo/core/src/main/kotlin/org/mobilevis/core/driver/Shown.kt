package org.mobilevis.core.driver

import org.mobilevis.core.Instance
import org.mobilevis.core.association.orderByScore
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.mask.LogitPlane
import org.mobilevis.core.mask.MaskUpsampler

/** What takes cells from another of its class; fainter ones are often a second look at the same object. */
private const val PARTED_SCORE = 0.3f

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
     * twice the threshold, so that interpolated masks do not share a pixel either. Equal logits stay.
     *
     * @param plane window into the logits, which change; its size is that of the cells without padding.
     * @param threshold logit above which a cell is foreground.
     */
    fun partMasks(
        plane: LogitPlane,
        threshold: Float,
    ) {
        for (first in 0 until count) {
            var rivals = 0
            for (row in 0 until count) {
                if (scores[row] >= PARTED_SCORE && classes[row] == classes[first]) order[rivals++] = row
            }
            if (rivals > 1 && order[0] == first) part(rivals, plane, threshold)
        }
    }

    /** The first [rivals] rows of [order] are of one class. */
    private fun part(
        rivals: Int,
        plane: LogitPlane,
        threshold: Float,
    ) {
        val values = plane.values
        for (y in 0 until plane.size.height) {
            for (cell in y * plane.rowStride until y * plane.rowStride + plane.size.width) {
                var highest = values[offsets[order[0]] + cell]
                for (rival in 1 until rivals) highest = maxOf(highest, values[offsets[order[rival]] + cell])
                val mirrored = 2f * threshold - highest
                for (rival in 0 until rivals) {
                    val at = offsets[order[rival]] + cell
                    if (values[at] < highest) values[at] = minOf(values[at], mirrored)
                }
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
