package org.mobilevis.core.association

import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Letterbox

/**
 * What is left of a picture to tell where it went: the means of green over whole cells, less their own mean.
 *
 * @param letterbox where a frame lies in the network's input.
 * @param cell pixels that a cell is wide and high.
 * @param margin zeros before and behind each row.
 */
internal class Miniature(
    letterbox: Letterbox,
    private val cell: Int,
    private val margin: Int = 0,
) {
    private val input = letterbox.input
    val rows = letterbox.content.height / cell
    val columns = letterbox.content.width / cell

    /** Values from a row to the next. */
    val pitch = columns + 2 * margin

    /** (rows, [pitch]). */
    val values = DoubleArray(rows * pitch)

    /** Sum of the squares. */
    var energy = 0.0
        private set
    private val line = FloatArray(columns * cell)

    operator fun get(
        row: Int,
        column: Int,
    ): Double = values[row * pitch + margin + column]

    /** @param frame (1, 3, H, W) RGB in [0, 255], the network's input. */
    fun take(frame: Tensor) {
        values.fill(0.0)
        for (y in 0 until rows * cell) {
            frame.read(line, (input.height + y) * input.width, line.size)
            val from = y / cell * pitch + margin
            for (column in 0 until columns) {
                var sum = 0f
                for (i in column * cell until (column + 1) * cell) sum += line[i]
                values[from + column] += sum.toDouble()
            }
        }
        level(cell * cell)
    }

    /** @param finer of the same frame, of cells that are a part of this one's. */
    fun take(finer: Miniature) {
        values.fill(0.0)
        val ratio = cell / finer.cell
        for (y in 0 until rows * ratio) {
            val from = y / ratio * pitch + margin
            for (x in 0 until columns * ratio) values[from + x / ratio] += finer[y, x]
        }
        level(ratio * ratio)
    }

    /** From sums of so many values to means less their own mean. */
    private fun level(count: Int) {
        val mean = values.sum() / maxOf(rows * columns, 1)
        energy = 0.0
        for (row in 0 until rows) {
            for (i in row * pitch + margin until row * pitch + margin + columns) {
                values[i] = (values[i] - mean) / count
                energy += values[i] * values[i]
            }
        }
    }

    /** Whether a place, in cells, lies between the centres of cells. */
    fun holds(
        y: Double,
        x: Double,
    ): Boolean = y >= 0.0 && y <= rows - 1 && x >= 0.0 && x <= columns - 1

    /** The picture at such a place, bilinear. */
    fun sample(
        y: Double,
        x: Double,
    ): Double {
        val top = minOf(y.toInt(), rows - 2)
        val left = minOf(x.toInt(), columns - 2)
        val above = this[top, left] + (this[top, left + 1] - this[top, left]) * (x - left)
        val below = this[top + 1, left] + (this[top + 1, left + 1] - this[top + 1, left]) * (x - left)
        return above + (below - above) * (y - top)
    }
}
