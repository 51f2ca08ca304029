package org.mobilevis.app.view

import android.graphics.Path
import org.mobilevis.core.mask.BitMask

/**
 * The closed outline of a mask, holes included, in the mask's own cells.
 *
 * The outline follows the cracks between foreground and background and passes through their middles, which cuts
 * the corners of the pixels' stairs. Filled by the even-odd rule it covers the mask to half a cell.
 */
fun outline(mask: BitMask): Path {
    val path = Path().apply { fillType = Path.FillType.EVEN_ODD }
    OutlineTracer(mask).trace(
        move = { x, y -> path.moveTo(x, y) },
        line = { x, y -> path.lineTo(x, y) },
        close = path::close,
    )
    return path
}

/** Walks every crack of a mask once, foreground on the right. */
internal class OutlineTracer(
    private val mask: BitMask,
) {
    /** Cracks above foreground cells that were walked; every outline has one. */
    private val walked = BitMask(mask.height, mask.width)

    /** Reports each outline as a move, lines and a close, in cells. */
    fun trace(
        move: (Float, Float) -> Unit,
        line: (Float, Float) -> Unit,
        close: () -> Unit,
    ) {
        for (y in 0 until mask.height) {
            for (x in 0 until mask.width) {
                if (isInside(x, y) && !isInside(x, y - 1) && !walked[y, x]) {
                    walk(x, y, move, line)
                    close()
                }
            }
        }
    }

    /** Follows the outline from the crack above cell ([startX], [startY]), eastwards. */
    private fun walk(
        startX: Int,
        startY: Int,
        move: (Float, Float) -> Unit,
        line: (Float, Float) -> Unit,
    ) {
        var x = startX
        var y = startY
        var heading = EAST
        var turned = true
        move(x + 0.5f, y.toFloat())
        do {
            if (heading == EAST) walked.set(y, x)
            x += STEP_X[heading]
            y += STEP_Y[heading]
            val next = turn(x, y, heading)
            // A straight run needs its ends only: the middles of its first and its last crack.
            if (turned || next != heading) line(x - STEP_X[heading] / 2f, y - STEP_Y[heading] / 2f)
            turned = next != heading
            heading = next
        } while (x != startX || y != startY || heading != EAST)
    }

    /** The heading after corner ([x], [y]); where two cells touch at a corner only, they stay apart. */
    private fun turn(
        x: Int,
        y: Int,
        heading: Int,
    ): Int {
        val left = isInside(x + AHEAD_LEFT_X[heading], y + AHEAD_LEFT_Y[heading])
        val right = isInside(x + AHEAD_RIGHT_X[heading], y + AHEAD_RIGHT_Y[heading])
        return when {
            !right -> (heading + 1) % HEADINGS
            left -> (heading + HEADINGS - 1) % HEADINGS
            else -> heading
        }
    }

    private fun isInside(
        x: Int,
        y: Int,
    ): Boolean = x in 0 until mask.width && y in 0 until mask.height && mask[y, x]

    /** Headings east, south, west, north; the cell ahead on either side, seen from the corner that was reached. */
    private companion object {
        const val HEADINGS = 4
        const val EAST = 0
        val STEP_X = intArrayOf(1, 0, -1, 0)
        val STEP_Y = intArrayOf(0, 1, 0, -1)
        val AHEAD_LEFT_X = intArrayOf(0, 0, -1, -1)
        val AHEAD_LEFT_Y = intArrayOf(-1, 0, 0, -1)
        val AHEAD_RIGHT_X = intArrayOf(0, -1, -1, 0)
        val AHEAD_RIGHT_Y = intArrayOf(0, 0, -1, -1)
    }
}
