package org.mobilevis.core.association

import org.mobilevis.core.mask.BitMask
import kotlin.math.abs

/** How alike a pair must be, and how many pairs it takes, to say how the camera moved. */
private const val SURE_LIKENESS = 0.5f
private const val LEAST_PAIRS = 3

/** Cells that a pair's step may differ from the common one, down or across. */
private const val MOST_SCATTER = 8.0

/** Cells that a pair's step may differ from what the pictures tell, down or across. */
private const val NEAR_PICTURED = 4.0

/**
 * How much further than expected everything moved: the camera, or nothing where too few pairs tell. The median over
 * the pairs that are each other's likest. Where the pictures tell the step, too, pairs that say something else have no
 * say, and too few leave it as it is; see `mobilevis.runtime.association.motion`.
 *
 * @param goesOn whether tracks are expected to go on at their speeds.
 */
internal class CommonStep(
    private val goesOn: Boolean,
) {
    /** (y, x) in cells. */
    val step = DoubleArray(2)
    private val centre = DoubleArray(2)
    private val median = DoubleArray(2)
    private var pairs = 0
    private val steps = Array(2) { DoubleArray(0) }
    private var sorted = DoubleArray(0)

    /**
     * Find it.
     *
     * @param likeness (tracks, detections).
     * @param tracks those that the last frame did not show have no say.
     * @param masks of the [detections].
     * @param pictured the camera's step by the pictures, in cells (y, x); null where they do not tell.
     */
    fun find(
        likeness: FloatArray,
        tracks: List<Track>,
        masks: List<BitMask>,
        detections: Int,
        pictured: DoubleArray?,
    ) {
        if (pictured == null) step.fill(0.0) else pictured.copyInto(step)
        val shown = tracks.count { it.unseen == 0 }
        if (minOf(shown, detections) < LEAST_PAIRS) return
        if (sorted.size < shown) {
            sorted = DoubleArray(shown)
            for (axis in 0..1) steps[axis] = DoubleArray(shown)
        }
        pairs = 0
        for (row in tracks.indices) {
            if (tracks[row].unseen == 0) pair(likeness, tracks, masks, detections, row, pictured)
        }
        if (pairs < LEAST_PAIRS) return
        for (axis in 0..1) median[axis] = findMedian(steps[axis])
        val agreed = (0 until pairs).count { isNear(it, median, MOST_SCATTER) }
        if (agreed >= LEAST_PAIRS && 2 * agreed >= pairs) median.copyInto(step)
    }

    private fun isNear(
        pair: Int,
        common: DoubleArray,
        most: Double,
    ) = (0..1).all { abs(steps[it][pair] - common[it]) <= most }

    private fun pair(
        likeness: FloatArray,
        tracks: List<Track>,
        masks: List<BitMask>,
        detections: Int,
        row: Int,
        pictured: DoubleArray?,
    ) {
        val best = argmax(likeness, row * detections, detections)
        val alike = likeness[row * detections + best]
        if (alike < SURE_LIKENESS) return
        for (other in tracks.indices) {
            if (tracks[other].unseen != 0) continue
            val rival = likeness[other * detections + best]
            if (rival > alike || (rival == alike && other < row)) return
        }
        masks[best].centre(centre)
        for (axis in 0..1) {
            val own = if (goesOn) tracks[row].velocity[axis] else 0.0
            steps[axis][pairs] = centre[axis] - (tracks[row].centre[axis] + own)
        }
        if (pictured == null || isNear(pairs, pictured, NEAR_PICTURED)) pairs++
    }

    private fun findMedian(values: DoubleArray): Double {
        values.copyInto(sorted, 0, 0, pairs)
        sorted.sort(0, pairs)
        return (sorted[(pairs - 1) / 2] + sorted[pairs / 2]) / 2.0
    }
}
