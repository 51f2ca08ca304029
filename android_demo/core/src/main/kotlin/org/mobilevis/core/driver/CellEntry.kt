package org.mobilevis.core.driver

import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.EntrySpec

/** As the maps of strides 8, 16 and 32 are numbered. */
private val LEVELS = listOf(3, 4, 5)

/** `decode`: class scores of at most [most] likely cells, the row of each its objectness. */
internal fun cellScorer(
    engine: Engine,
    most: Int,
): CellEntry {
    val patches = mapOf("likely_stems" to "stem")
    val rows = "likely_objectness" to "objectness"
    return CellEntry(engine, "decode", "likely_inside", patches, rows, most, FloatArray(1))
}

/** `describe`: kernels and embeddings of at most [most] chosen cells, the row of each its box. */
internal fun cellDescriber(
    engine: Engine,
    most: Int,
): CellEntry {
    val patches = mapOf("chosen_stems" to "stem", "chosen_towers" to "tower")
    // Of a box without sides kernels are so large that rounding shows.
    val unused = floatArrayOf(0f, 0f, 1f, 1f)
    return CellEntry(engine, "describe", "chosen_inside", patches, "chosen_boxes" to "boxes", most, unused)
}

/**
 * Runs an entry on any cells: what is known around each goes in, a row of each comes out. The entry takes P cells of
 * each level at a time, the levels side by side; more take several runs.
 *
 * @param entry its name.
 * @param inside the input (P, 3, n, n) that says which of the cells around each are inside its level.
 * @param patches an input (P, n, n, 3·C), around P cells of each level → name of the maps (1, h, w, C) of `encode`, but
 *   for the level's number.
 * @param rows the input (1, 3·P, k) that takes a row of each cell, the levels of the first cells first, as the outputs
 *   are, and the output (1, A, k) of `encode` whose rows it takes: all cells of the strides 8, 16 and 32 in turn, each
 *   level row by row.
 * @param most cells of a frame.
 * @param unused the row (k) of what no cell has taken yet, which is computed, too.
 * @throws IllegalArgumentException the artefact has no such entry or inputs, or its sizes do not fit.
 */
internal class CellEntry(
    private val engine: Engine,
    private val entry: String,
    inside: String,
    patches: Map<String, String>,
    rows: Pair<String, String>,
    most: Int,
    unused: FloatArray,
) {
    private val spec =
        requireNotNull(engine.metadata.entries[entry]?.takeIf { it.takes(patches.keys + inside + rows.first) }) {
            "the artefact was exported by an older mobilevis, with another $entry: export it again"
        }
    private val inputs = spec.inputs.associate { it.name to Tensor(it.shape) }
    private val rows = input(rows.first, 3)
    private val rowsKnown = rows.second
    private val row = FloatArray(this.rows.shape[2])
    private val inside = input(inside, 4)
    private val slots = this.inside.shape[0]
    private val reach = this.inside.shape[2]
    private val marks = FloatArray(this.inside.size)
    private val levels = makeLevels(patches.values.first(), most)
    private val patches = patches.map { (name, maps) -> Patches(input(name, 4), LEVELS.map { "$maps$it" }) }

    /** What the entry said of the last cells: output → (most, …), a row of each. */
    val said: Map<String, FloatArray> = spec.outputs.associate { it.name to FloatArray(most * it.shape.last()) }

    /** The cells of a level from the [first] one on; [dealt] are the places of some among the cells of a frame. */
    private class Level(
        val first: Int,
        val height: Int,
        val width: Int,
        most: Int,
    ) {
        val dealt = IntArray(most)
        var count = 0

        fun holds(cell: Int) = cell >= first && cell < first + height * width
    }

    /** An input, and the maps whose cells it takes. */
    private class Patches(
        val tensor: Tensor,
        val maps: List<String>,
    ) {
        val side = tensor.shape[1]
        val channels = tensor.shape[3] / LEVELS.size
        val known = FloatArray(channels)
        val nothing = FloatArray(channels)
    }

    init {
        requireFit(row.size == unused.size, rows.first)
        for (place in 0 until this.rows.size / row.size) this.rows.write(unused, place * row.size)
        val cells = levels.sumOf { it.height * it.width }
        requireFit(knownShape(rowsKnown, 3) == listOf(1, cells, row.size), rows.first)
        requireFit(this.inside.shape == listOf(slots, LEVELS.size, reach, reach), inside)
        requireFit(this.rows.shape == listOf(1, LEVELS.size * slots, row.size), rows.first)
        requireFit(this.patches.any { it.side == reach }, inside)
        for (output in spec.outputs) {
            requireFit(output.shape.dropLast(1) == listOf(1, LEVELS.size * slots), output.name)
        }
        for (patch in this.patches) {
            val (side, channels) = patch.side to patch.channels
            requireFit(patch.tensor.shape == listOf(slots, side, side, LEVELS.size * channels), patch.maps[0])
            for ((map, level) in patch.maps.zip(levels)) {
                requireFit(knownShape(map, 4) == listOf(1, level.height, level.width, channels), map)
            }
        }
    }

    /**
     * Run the entry on cells of a frame, as often as it needs; [said] is of these then.
     *
     * @param encoded outputs of `encode`.
     * @param chosen indices of cells.
     * @param count how many of them.
     */
    fun run(
        encoded: Map<String, Tensor>,
        chosen: IntArray,
        count: Int,
    ) {
        deal(chosen, count)
        for (start in 0 until levels.maxOf { it.count } step slots) {
            marks.fill(0f) // of what an earlier run left nothing else is read
            forEachDealt(start) { index, slot, place -> lay(encoded, index, slot, chosen[place]) }
            inside.write(marks)
            for ((name, output) in engine.run(entry, inputs)) {
                val rows = said.getValue(name)
                val width = output.shape[2]
                forEachDealt(start) { index, slot, place ->
                    output.read(rows, (slot * LEVELS.size + index) * width, width, place * width)
                }
            }
        }
    }

    private fun deal(
        chosen: IntArray,
        count: Int,
    ) {
        for (level in levels) level.count = 0
        for (place in 0 until count) {
            val level = levels.first { it.holds(chosen[place]) }
            level.dealt[level.count++] = place
        }
    }

    /** Calls [body] with level, slot and place of each cell of the run that takes cells from [start] on. */
    private inline fun forEachDealt(
        start: Int,
        body: (index: Int, slot: Int, place: Int) -> Unit,
    ) {
        for ((index, level) in levels.withIndex()) {
            for (slot in 0 until minOf(slots, level.count - start)) body(index, slot, level.dealt[start + slot])
        }
    }

    /** Lays out what is known around a cell. */
    private fun lay(
        encoded: Map<String, Tensor>,
        index: Int,
        slot: Int,
        cell: Int,
    ) {
        val place = slot * LEVELS.size + index
        encoded.getValue(rowsKnown).read(row, cell * row.size, row.size)
        rows.write(row, place * row.size)
        for (patch in patches) {
            val map = encoded.getValue(patch.maps[index])
            val side = patch.side
            val channels = patch.channels
            for (near in 0 until side * side) {
                val at = around(levels[index], cell, near, side)
                if (at >= 0) map.read(patch.known, at * channels, channels)
                val found = if (at >= 0) patch.known else patch.nothing
                patch.tensor.write(found, ((slot * side * side + near) * LEVELS.size + index) * channels)
                if (at >= 0 && side == reach) marks[place * side * side + near] = 1f
            }
        }
    }

    /** The place in its level of one of the cells around a cell; negative beyond the border. */
    private fun around(
        level: Level,
        cell: Int,
        near: Int,
        side: Int,
    ): Int {
        val row = (cell - level.first) / level.width + near / side - side / 2
        val column = (cell - level.first) % level.width + near % side - side / 2
        val isInside = row >= 0 && row < level.height && column >= 0 && column < level.width
        return if (isInside) row * level.width + column else -1
    }

    private fun makeLevels(
        maps: String,
        most: Int,
    ): List<Level> {
        var first = 0
        return LEVELS.map {
            val (_, height, width) = knownShape("$maps$it", 4)
            Level(first, height, width, most).also { first += height * width }
        }
    }

    private fun input(
        name: String,
        rank: Int,
    ): Tensor = inputs.getValue(name).also { requireFit(it.shape.size == rank, name) }

    private fun knownShape(
        name: String,
        rank: Int,
    ): List<Int> {
        val encode = engine.metadata.entries.getValue("encode")
        val found = requireNotNull(encode.outputs.firstOrNull { it.name == name }) { "encode says no $name" }
        return found.shape.also { requireFit(it.size == rank, name) }
    }
}

private fun EntrySpec.takes(names: Set<String>) = inputs.map { it.name }.toSet() == names

private fun requireFit(
    fits: Boolean,
    what: String,
) = require(fits) { "$what does not fit the artefact's other sizes" }
