package org.mobilevis.core

import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import java.io.File

/**
 * Stands where a network would, as `ScriptedArtefact` of scripted.py does.
 *
 * @param script output of `encode` or `decode` → its values of every frame; begins anew after the last.
 */
open class ScriptedEngine(
    private val script: Map<String, FloatArray>,
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
        if (entry == "segment") return segment(inputs, outputs.getValue("mask_logits"))
        if (entry == "describe" || "likely_stems" in inputs) return readCells(inputs, outputs)
        if (entry == "encode" || entry == "propagate") frame++
        if (entry == "propagate") return propagate(inputs, outputs.getValue("mask_features"))
        for ((name, output) in outputs) {
            val all = script.getValue(name)
            output.write(all, 0, output.size, frame % (all.size / output.size) * output.size)
        }
    }

    private fun propagate(
        inputs: Map<String, Tensor>,
        output: Tensor,
    ) {
        val (all, keyframe) = script.getValue("mask_features") to inputs.getValue("keyframe_features").floats
        val from = frame % (all.size / output.size) * output.size
        for (i in 0 until output.size) output.floats.put(i, (all[from + i] + keyframe.get(i)) * 0.5f)
    }

    /** Of a detector's cells, says what the stems hold of each: kernel, embedding, scores. */
    private fun readCells(
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        for ((name, output) in outputs) {
            val stems = inputs[if (name == "scores") "likely_stems" else "chosen_stems"]!!
            val (slots, side, _, channels) = stems.shape
            val count = output.shape[2]
            val first =
                when (name) {
                    "kernels" -> 0
                    "embeddings" -> width
                    else -> channels / 3 - count
                }
            for (row in 0 until 3 * slots) {
                val middle = (row / 3 * side + side / 2) * side + side / 2
                for (i in 0 until count) {
                    val own = stems.floats.get(middle * channels + row % 3 * (channels / 3) + first + i)
                    output.floats.put(row * count + i, own)
                }
            }
        }
    }

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
        /** The network of a clip that golden.py wrote. */
        fun of(folder: File): ScriptedEngine =
            ScriptedEngine(
                folder.listFiles { file -> file.extension == "f32" }!!.associate {
                    it.nameWithoutExtension to Golden.floats(it)
                },
                parseMetadata(File(folder, "metadata.json").readText(), "script"),
            )
    }
}
