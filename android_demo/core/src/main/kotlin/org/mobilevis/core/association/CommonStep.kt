package org.mobilevis.core.association

import org.mobilevis.core.mask.BitMask
import kotlin.math.abs

/** How alike a pair must be, and how many pairs it takes, to say how the camera moved. */
private const val SURE_LIKENESS = 0.5f
private const val LEAST_PAIRS = 3

/** Cells that a pair's step may differ from the common one, down or across. */
private const val MOST_SCATTER = 8.0

/**
 * How much further than expected everything moved: the camera, or nothing where too few pairs tell. The median over
 * the pairs that are each other's likest; see `mobilevis.runtime.association.motion`.
 */
internal class CommonStep {
    /** (y, x) in cells. */
    val step = DoubleArray(2)
    private val centre = DoubleArray(2)
    private var pairs = 0
    private val steps = Array(2) { DoubleArray(0) }
    private var sorted = DoubleArray(0)

    /**
     * Find it.
     *
     * @param likeness (tracks, detections).
     * @param tracks those that the last frame did not show have no say.
     * @param masks of the [detections].
     */
    fun find(
        likeness: FloatArray,
        tracks: List<Track>,
        masks: List<BitMask>,
        detections: Int,
    ) {
        step.fill(0.0)
        val shown = tracks.count { it.unseen == 0 }
        if (minOf(shown, detections) < LEAST_PAIRS) return
        if (sorted.size < shown) {
            sorted = DoubleArray(shown)
            for (axis in 0..1) steps[axis] = DoubleArray(shown)
        }
        pairs = 0
        for (row in tracks.indices) {
            if (tracks[row].unseen == 0) pair(likeness, tracks, masks, detections, row)
        }
        if (pairs == 0) return
        for (axis in 0..1) step[axis] = median(steps[axis])
        val agreed = (0 until pairs).count { i -> (0..1).all { abs(steps[it][i] - step[it]) <= MOST_SCATTER } }
        if (agreed < LEAST_PAIRS || 2 * agreed < pairs) step.fill(0.0)
    }

    private fun pair(
        likeness: FloatArray,
        tracks: List<Track>,
        masks: List<BitMask>,
        detections: Int,
        row: Int,
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
            steps[axis][pairs] = centre[axis] - (tracks[row].centre[axis] + tracks[row].velocity[axis])
        }
        pairs++
    }

    private fun median(values: DoubleArray): Double {
        values.copyInto(sorted, 0, 0, pairs)
        sorted.sort(0, pairs)
        return (sorted[(pairs - 1) / 2] + sorted[pairs / 2]) / 2.0
    }
}
