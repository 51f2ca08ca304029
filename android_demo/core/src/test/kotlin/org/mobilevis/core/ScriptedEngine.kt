package org.mobilevis.core

import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import java.io.File

/** Stands where a network would, as `ScriptedArtefact` of golden.py does. */
class ScriptedEngine(
    private val features: FloatArray,
    private val kernels: FloatArray,
    private val scores: FloatArray,
    metadata: Metadata,
) : Engine("script", "script", metadata) {
    override val threads: Int? = 1
    var frame = -1
        private set
    var released = 0
        private set
    private val width =
        metadata.entries
            .getValue("segment")
            .inputs[0]
            .shape[2]

    override fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        when (entry) {
            "encode" -> give(outputs.getValue("mask_features"), features, ++frame)
            "decode" -> {
                give(outputs.getValue("kernels"), kernels, frame)
                give(outputs.getValue("scores"), scores, frame)
            }
            else -> segment(inputs, outputs.getValue("mask_logits"))
        }
    }

    private fun give(
        output: Tensor,
        all: FloatArray,
        index: Int,
    ) = output.write(all, 0, output.size, index % (all.size / output.size) * output.size)

    private fun segment(
        inputs: Map<String, Tensor>,
        output: Tensor,
    ) {
        val slots = inputs.getValue("kernels").floats
        val cells = inputs.getValue("mask_features")
        val (rows, columns) = cells.shape.takeLast(2)
        val values = cells.floats
        for (slot in 0 until output.shape[1]) {
            for (y in 0 until rows) {
                for (x in 0 until columns) {
                    var sum = 0f
                    for (i in 0 until width) {
                        sum += slots.get(slot * width + i) * values.get((i * rows + y) * columns + x)
                    }
                    for (corner in 0 until 4) {
                        val row = slot * 2 * rows + 2 * y + corner / 2
                        output.floats.put(row * 2 * columns + 2 * x + corner % 2, sum)
                    }
                }
            }
        }
    }

    override fun release() {
        released++
    }

    companion object {
        fun of(folder: File): ScriptedEngine =
            ScriptedEngine(
                Golden.floats(File(folder, "features.f32")),
                Golden.floats(File(folder, "kernels.f32")),
                Golden.floats(File(folder, "scores.f32")),
                parseMetadata(File(folder, "metadata.json").readText(), "script"),
            )
    }
}
