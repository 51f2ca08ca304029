package org.mobilevis.core.association

/**
 * The assignment of rows to columns with the largest sum of gains: shortest augmenting paths (Crouse, "On
 * implementing 2D rectangular assignment algorithms", 2016). Of several that are best it finds one.
 *
 * Keeps its working memory between calls.
 */
class Assignment {
    private var cost = DoubleArray(0)
    private var rows = 0
    private var columns = 0
    private var rowPotential = DoubleArray(0)
    private var columnPotential = DoubleArray(0)
    private var pathCost = DoubleArray(0)
    private var pathRow = IntArray(0)
    private var columnOfRow = IntArray(0)
    private var rowOfColumn = IntArray(0)
    private var remaining = IntArray(0)
    private var rowSeen = BooleanArray(0)
    private var columnSeen = BooleanArray(0)

    /**
     * Assign as many rows as there are columns, or all.
     *
     * @param gain (rows, columns) finite values, row by row.
     * @param columnFor the column of each row, or -1, goes here.
     */
    fun solve(
        gain: DoubleArray,
        rows: Int,
        columns: Int,
        columnFor: IntArray,
    ) {
        columnFor.fill(-1, 0, rows)
        if (rows == 0 || columns == 0) return
        val turned = columns < rows
        prepare(gain, rows, columns, turned)
        for (row in 0 until this.rows) augment(row)
        for (row in 0 until this.rows) {
            if (turned) columnFor[columnOfRow[row]] = row else columnFor[row] = columnOfRow[row]
        }
    }

    /** Costs, negated gains, with no more rows than columns. */
    private fun prepare(
        gain: DoubleArray,
        rows: Int,
        columns: Int,
        turned: Boolean,
    ) {
        this.rows = minOf(rows, columns)
        this.columns = maxOf(rows, columns)
        if (cost.size < rows * columns) cost = DoubleArray(rows * columns)
        for (row in 0 until rows) {
            for (column in 0 until columns) {
                val to = if (turned) column * rows + row else row * columns + column
                cost[to] = -gain[row * columns + column]
            }
        }
        if (rowOfColumn.size < this.columns) allocate(this.columns)
        rowPotential.fill(0.0)
        columnPotential.fill(0.0)
        columnOfRow.fill(-1)
        rowOfColumn.fill(-1)
    }

    private fun allocate(size: Int) {
        rowPotential = DoubleArray(size)
        columnPotential = DoubleArray(size)
        pathCost = DoubleArray(size)
        pathRow = IntArray(size)
        columnOfRow = IntArray(size)
        rowOfColumn = IntArray(size)
        remaining = IntArray(size)
        rowSeen = BooleanArray(size)
        columnSeen = BooleanArray(size)
    }

    private fun augment(start: Int) {
        val (sink, least) = shortestPath(start)
        rowPotential[start] += least
        for (row in 0 until rows) {
            if (rowSeen[row] && row != start) rowPotential[row] += least - pathCost[columnOfRow[row]]
        }
        for (column in 0 until columns) {
            if (columnSeen[column]) columnPotential[column] -= least - pathCost[column]
        }
        var column = sink
        while (true) {
            val row = pathRow[column]
            rowOfColumn[column] = row
            val next = columnOfRow[row]
            columnOfRow[row] = column
            if (row == start) return
            column = next
        }
    }

    /** The free column that the cheapest path from a free row ends at, and the path's cost. */
    private fun shortestPath(start: Int): PathEnd {
        rowSeen.fill(false)
        columnSeen.fill(false)
        pathCost.fill(Double.POSITIVE_INFINITY)
        var left = columns
        for (i in 0 until columns) remaining[i] = columns - 1 - i
        var row = start
        var least = 0.0
        while (true) {
            rowSeen[row] = true
            val place = nearest(row, least, left)
            val column = remaining[place]
            least = pathCost[column]
            columnSeen[column] = true
            remaining[place] = remaining[--left]
            if (rowOfColumn[column] < 0) return end.set(column, least)
            row = rowOfColumn[column]
        }
    }

    /** Where in [remaining] the nearest column is, after paths through [row]; a free one among equals. */
    private fun nearest(
        row: Int,
        least: Double,
        left: Int,
    ): Int {
        var place = -1
        var lowest = Double.POSITIVE_INFINITY
        for (i in 0 until left) {
            val column = remaining[i]
            val through = least + cost[row * columns + column] - rowPotential[row] - columnPotential[column]
            if (through < pathCost[column]) {
                pathRow[column] = row
                pathCost[column] = through
            }
            val isFree = rowOfColumn[column] < 0
            if (pathCost[column] < lowest || pathCost[column] == lowest && isFree) {
                lowest = pathCost[column]
                place = i
            }
        }
        return place
    }

    private class PathEnd {
        private var column = 0
        private var cost = 0.0

        fun set(
            column: Int,
            cost: Double,
        ) = apply {
            this.column = column
            this.cost = cost
        }

        operator fun component1() = column

        operator fun component2() = cost
    }

    private val end = PathEnd()
}
