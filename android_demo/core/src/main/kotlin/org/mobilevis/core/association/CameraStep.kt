package org.mobilevis.core.association

import org.mobilevis.core.frame.Letterbox
import kotlin.math.sqrt

/** Pixels of the network's input that a cell of a miniature is wide and high. */
internal const val CELL = 16

/** The least correlation that is trusted, and the fewest cells that can tell it from noise. */
private const val SURE_CORRELATION = 0.5
private const val LEAST_CELLS = 64

/** Standard deviation in grey levels: below it a picture is its noise. */
private const val LEAST_CONTRAST = 1.0

/**
 * How the camera turned between two frames, by the peak of their pictures' correlation; see
 * `mobilevis.runtime.association.camera`.
 *
 * @param letterbox where a frame lies in the network's input.
 */
internal class CameraStep(
    letterbox: Letterbox,
) {
    /** (y, x) in pixels of the network's input. */
    val step = DoubleArray(2)
    private val rows = letterbox.content.height / CELL
    private val columns = letterbox.content.width / CELL
    private val farDown = rows / 2
    private val farRight = columns / 2
    private val width = 2 * farRight + 1
    private val correlation = DoubleArray((2 * farDown + 1) * width)

    /** The last two frames. */
    var before = Miniature(letterbox, CELL, farRight)
        private set
    var now = Miniature(letterbox, CELL, farRight)
        private set

    /** The miniature, [now] from here on, that takes the next frame. */
    fun next(): Miniature {
        before = now.also { now = before }
        return now
    }

    /** Whether the last two frames tell [step], which is found then. */
    fun find(): Boolean {
        val cells = rows * columns
        val least = cells * LEAST_CONTRAST * LEAST_CONTRAST
        if (cells < LEAST_CELLS || minOf(before.energy, now.energy) < least) return false
        correlate()
        var peak = 0
        for (i in correlation.indices) if (correlation[i] > correlation[peak]) peak = i
        if (correlation[peak] / sqrt(before.energy * now.energy) < SURE_CORRELATION) return false
        val (row, column) = peak / width to peak % width
        val down = row - farDown + refine(row, 2 * farDown, peak, width)
        val right = column - farRight + refine(column, 2 * farRight, peak, 1)
        step[0] = down * CELL
        step[1] = right * CELL
        return true
    }

    /** Σ before(y, x) · now(y + down, x + right) for all steps of up to half of the picture. */
    private fun correlate() {
        correlation.fill(0.0)
        for (down in -farDown..farDown) {
            val to = (down + farDown) * width
            for (y in maxOf(0, -down) until minOf(rows, rows - down)) {
                for (x in 0 until columns) {
                    val value = before[y, x]
                    val from = (y + down) * now.pitch + x
                    for (i in 0 until width) correlation[to + i] += value * now.values[from + i]
                }
            }
        }
    }

    /** Where a parabola through the peak and its neighbours is highest, relative to the peak. */
    private fun refine(
        place: Int,
        last: Int,
        peak: Int,
        pitch: Int,
    ): Double {
        if (place == 0 || place == last) return 0.0
        val (lower, upper) = correlation[peak - pitch] to correlation[peak + pitch]
        val bend = lower - 2.0 * correlation[peak] + upper
        return if (bend < 0.0) 0.5 * (lower - upper) / bend else 0.0
    }
}
