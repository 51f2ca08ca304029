package org.mobilevis.core.driver

import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.TensorSpec

/**
 * Runs `describe` on chosen cells: what is known around each goes in, kernels and embeddings come out.
 *
 * @param cells all A cells, of the strides 8, 16 and 32 in turn, each level row by row.
 * @throws IllegalArgumentException the artefact has no such entry, or its sizes do not fit.
 */
internal class CellDescriber(
    private val engine: Engine,
    cells: Int,
) {
    private val inputs: Map<String, Tensor>
    private val zeros: Map<String, FloatArray>
    private val levels: List<Level>
    private val slots: Int

    /** The level of strides 8, 16 and 32, its first cell and its grid. */
    private class Level(
        val number: Int,
        val first: Int,
        val height: Int,
        val width: Int,
    )

    init {
        val entry =
            requireNotNull(engine.metadata.entries["describe"]) {
                "the artefact was exported by an older mobilevis, without describe: export it again"
            }
        inputs = entry.inputs.associate { it.name to Tensor(it.shape) }
        zeros = inputs.mapValues { (_, tensor) -> FloatArray(tensor.size) }
        slots = input("chosen_boxes").shape[1]
        var first = 0
        levels =
            LEVELS.map { number ->
                val shape = map("stem", number).shape
                Level(number, first, shape[2], shape[3]).also { first += shape[2] * shape[3] }
            }
        require(first == cells) { "stems do not fit the artefact's other sizes" }
        check("levels", listOf(1, LEVELS.size, 1, slots))
        check("inside", listOf(1, 1, SIDE, SIDE * slots))
        for ((patches, name) in MAPS) {
            val channels = map(name, LEVELS[0]).shape[1]
            for (level in levels) {
                val fits = map(name, level.number).shape == listOf(1, channels, level.height, level.width)
                require(fits) { "$name${level.number} does not fit the artefact's other sizes" }
            }
            check(patches, listOf(1, channels, SIDE, SIDE * slots))
        }
    }

    /**
     * Describe.
     *
     * @param encoded outputs of `encode`.
     * @param decoded outputs of `decode`.
     * @param boxes (A, 4).
     * @param chosen indices of cells.
     * @param count how many of them.
     * @return `kernels` and `embeddings`, (1, S, …) each, valid until the next call.
     */
    fun describe(
        encoded: Map<String, Tensor>,
        decoded: Map<String, Tensor>,
        boxes: FloatArray,
        chosen: IntArray,
        count: Int,
    ): Map<String, Tensor> {
        for ((name, tensor) in inputs) tensor.write(zeros.getValue(name))
        for (slot in 0 until count) {
            val index = levels.indexOfLast { it.first <= chosen[slot] }
            input("chosen_boxes").write(boxes, 4 * slot, 4, 4 * chosen[slot])
            input("levels").floats.put(index * slots + slot, 1f)
            val level = levels[index]
            markInside(level, chosen[slot], slot)
            for ((patches, name) in MAPS) {
                val known = "$name${level.number}"
                gather(encoded[known] ?: decoded.getValue(known), level, chosen[slot], input(patches), slot)
            }
        }
        return engine.run("describe", inputs)
    }

    private fun markInside(
        level: Level,
        cell: Int,
        slot: Int,
    ) {
        val (row, column) = (cell - level.first) / level.width to (cell - level.first) % level.width
        val inside = input("inside").floats
        for (down in 0 until SIDE) {
            for (right in 0 until SIDE) {
                val isInside = row + down - 1 in 0 until level.height && column + right - 1 in 0 until level.width
                inside.put((down * slots + slot) * SIDE + right, if (isInside) 1f else 0f)
            }
        }
    }

    /** Copies a cell's patch; what is beyond the border is that on it, and is not read. */
    private fun gather(
        map: Tensor,
        level: Level,
        cell: Int,
        patches: Tensor,
        slot: Int,
    ) {
        val (row, column) = (cell - level.first) / level.width to (cell - level.first) % level.width
        val (from, into) = map.floats to patches.floats
        for (channel in 0 until patches.shape[1]) {
            for (down in 0 until SIDE) {
                val y = (row + down - 1).coerceIn(0, level.height - 1)
                for (right in 0 until SIDE) {
                    val x = (column + right - 1).coerceIn(0, level.width - 1)
                    val value = from.get((channel * level.height + y) * level.width + x)
                    into.put(((channel * SIDE + down) * slots + slot) * SIDE + right, value)
                }
            }
        }
    }

    private fun input(name: String): Tensor = requireNotNull(inputs[name]) { "describe has no input $name" }

    private fun check(
        name: String,
        shape: List<Int>,
    ) = require(input(name).shape == shape) { "$name does not fit the artefact's other sizes" }

    private fun map(
        name: String,
        number: Int,
    ): TensorSpec {
        val (encode, decode) = listOf("encode", "decode").map(engine.metadata.entries::getValue)
        val outputs = encode.outputs + decode.outputs
        val found = requireNotNull(outputs.firstOrNull { it.name == "$name$number" }) { "nothing says $name$number" }
        require(found.shape.size == 4) { "$name$number has shape ${found.shape}" }
        return found
    }

    private companion object {
        /** As the maps of strides 8, 16 and 32 are numbered. */
        val LEVELS = listOf(3, 4, 5)

        /** Cells a side of a patch. */
        const val SIDE = 3
        val MAPS = listOf("stem_patches" to "stem", "class_patches" to "class_tower", "box_patches" to "tower")
    }
}
