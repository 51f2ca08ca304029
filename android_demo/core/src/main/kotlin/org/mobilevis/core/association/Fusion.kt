package org.mobilevis.core.association

import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.maskIou

/**
 * The IoU from which on two masks are one object's.
 *
 * @property anew with the object's best one.
 * @property still the same, if they were one object's on the keyframe.
 */
class SameObject(
    val anew: Float,
    val still: Float,
)

/**
 * One detection for each object, where a network gives several.
 *
 * By falling score, a detection joins the first-found object whose best detection it overlaps most, or is a new
 * one's best detection. Masks are linear in their kernels, so the mean of mask logits is the mask of the mean kernel.
 *
 * @param capacity most detections of a frame.
 * @param least IoU from which on a detection joins an object.
 */
class Fusion(
    capacity: Int,
    private val least: SameObject,
) {
    /** Number of objects found last; they come by falling best score. */
    var objects = 0
        private set

    /** The object of each detection. */
    val objectOf = IntArray(capacity)

    /** The weight of each detection in its object's mean, in proportion to its score; an object's sum to 1. */
    val weight = FloatArray(capacity)

    /** The best detection of each object. */
    val best = IntArray(capacity)
    private val total = FloatArray(capacity)
    private val order = IntArray(capacity)

    /**
     * Find the objects of a frame.
     *
     * @param scores of each detection, in [0, 1].
     * @param masks of each detection, with their [areas].
     * @param count number of detections.
     * @param together the object that each was part of on the keyframe; null where this is it.
     */
    fun find(
        scores: FloatArray,
        masks: List<BitMask>,
        areas: IntArray,
        count: Int,
        together: IntArray? = null,
    ) {
        objects = 0
        orderByScore(scores, count, order)
        for (place in 0 until count) {
            val detection = order[place]
            val joined = mostOverlapped(detection, masks, areas, together)
            if (joined < 0) {
                total[objects] = 0f
                best[objects++] = detection
            }
            val target = if (joined < 0) objects - 1 else joined
            objectOf[detection] = target
            weight[detection] = maxOf(scores[detection], TINY)
            total[target] += weight[detection]
        }
        for (detection in 0 until count) weight[detection] /= total[objectOf[detection]]
    }

    private fun mostOverlapped(
        detection: Int,
        masks: List<BitMask>,
        areas: IntArray,
        together: IntArray?,
    ): Int {
        var result = -1
        var most = 0f
        for (candidate in 0 until objects) {
            val other = best[candidate]
            val overlap = maskIou(masks[detection], areas[detection], masks[other], areas[other])
            val isStillOne = together != null && together[detection] == together[other]
            if (overlap > most && overlap >= if (isStillOne) least.still else least.anew) {
                most = overlap
                result = candidate
            }
        }
        return result
    }
}
