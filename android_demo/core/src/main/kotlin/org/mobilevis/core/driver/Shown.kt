package org.mobilevis.core.driver

import org.mobilevis.core.Instance
import org.mobilevis.core.association.orderByScore
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.mask.LogitPlane
import org.mobilevis.core.mask.MaskUpsampler

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
