package org.mobilevis.core.association

import kotlin.math.abs

/** Holds the motion back where a picture has no gradients that tell it, in grey levels a cell. */
private const val LEAST_GRADIENT = 1.0

/** Shifts down and right, zoom, turn, and brightness. */
private const val CHANGES = 5

/** Of turn, zoom and shift: one leaves up to 3 % of a zoom. */
private const val REFINEMENTS = 2

/**
 * Turn, zoom and shift that take one miniature to the next, in cells and about the middle: steps of Gauss and Newton
 * with the gradient of the first picture; see `mobilevis.runtime.association.camera_motion`.
 *
 * @param rows of the miniatures.
 * @param columns of the miniatures.
 */
internal class Registration(
    private val rows: Int,
    private val columns: Int,
) {
    /** The zoom times the cosine of the turn, and times its sine: (y, x) → (along·y − across·x + down, …). */
    var along = 1.0
        private set
    var across = 0.0
        private set
    var down = 0.0
        private set
    var right = 0.0
        private set
    private val middleY = (rows - 1) / 2.0
    private val middleX = (columns - 1) / 2.0
    private val changes = DoubleArray(rows * columns * CHANGES)
    private val system = Array(CHANGES) { DoubleArray(CHANGES + 1) }
    private val solution = DoubleArray(CHANGES)

    /** Find them from a step in cells on. */
    fun find(
        before: Miniature,
        now: Miniature,
        stepDown: Double,
        stepRight: Double,
    ) {
        writeChanges(before)
        along = 1.0
        across = 0.0
        down = stepDown
        right = stepRight
        repeat(REFINEMENTS) {
            collect(before, now)
            solve()
            refine()
        }
    }

    /** Undo what the picture changed by before it moves: by a turn and zoom, and by a shift. */
    private fun refine() {
        val (y, x) = solution
        val (zoom, turn) = 1.0 + solution[2] to solution[3]
        val length = zoom * zoom + turn * turn
        val (before, crosswise) = along to across
        along = (before * zoom + crosswise * turn) / length
        across = (crosswise * zoom - before * turn) / length
        down -= along * y - across * x
        right -= across * y + along * x
    }

    /** What a picture changes by with each of the [CHANGES], at each of its cells. */
    private fun writeChanges(picture: Miniature) {
        for (row in 0 until rows) {
            for (column in 0 until columns) {
                val above = maxOf(row - 1, 0)
                val below = minOf(row + 1, rows - 1)
                val before = maxOf(column - 1, 0)
                val behind = minOf(column + 1, columns - 1)
                val y = (picture[below, column] - picture[above, column]) / (below - above)
                val x = (picture[row, behind] - picture[row, before]) / (behind - before)
                val at = (row * columns + column) * CHANGES
                changes[at] = y
                changes[at + 1] = x
                changes[at + 2] = y * (row - middleY) + x * (column - middleX)
                changes[at + 3] = x * (row - middleY) - y * (column - middleX)
                changes[at + 4] = 1.0
            }
        }
    }

    /** The normal equations of what the motion so far leaves of the difference into [system]. */
    private fun collect(
        before: Miniature,
        now: Miniature,
    ) {
        for (i in 0 until CHANGES) {
            system[i].fill(0.0)
            system[i][i] = if (i < CHANGES - 1) rows * columns * LEAST_GRADIENT * LEAST_GRADIENT else 1.0
        }
        for (row in 0 until rows) {
            for (column in 0 until columns) {
                val (y, x) = row - middleY to column - middleX
                val movedY = along * y - across * x + down + middleY
                val movedX = across * y + along * x + right + middleX
                if (!now.holds(movedY, movedX)) continue
                val left = now.sample(movedY, movedX) - before[row, column]
                val at = (row * columns + column) * CHANGES
                for (i in 0 until CHANGES) {
                    for (k in 0 until CHANGES) system[i][k] += changes[at + i] * changes[at + k]
                    system[i][CHANGES] += changes[at + i] * left
                }
            }
        }
    }

    /** Gauss's elimination, with the largest pivot of a column, into [solution]. */
    private fun solve() {
        for (step in 0 until CHANGES) {
            var pivot = step
            for (row in step until CHANGES) if (abs(system[row][step]) > abs(system[pivot][step])) pivot = row
            system[step] = system[pivot].also { system[pivot] = system[step] }
            for (row in step + 1 until CHANGES) {
                val factor = system[row][step] / system[step][step]
                for (k in step..CHANGES) system[row][k] -= factor * system[step][k]
            }
        }
        for (row in CHANGES - 1 downTo 0) {
            var sum = system[row][CHANGES]
            for (k in row + 1 until CHANGES) sum -= system[row][k] * solution[k]
            solution[row] = sum / system[row][row]
        }
    }
}
