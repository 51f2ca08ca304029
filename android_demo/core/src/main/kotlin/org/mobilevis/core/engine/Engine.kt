package org.mobilevis.core.engine

import org.mobilevis.core.UserError
import org.mobilevis.core.metadata.EntrySpec
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.TensorSpec
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/**
 * A loaded artefact on one engine: stateless entries that read and write direct buffers.
 *
 * Any thread may run and close it: one does at a time. Its outputs are the engine's own and are overwritten by the
 * next run of the same entry.
 *
 * @property name of the engine, such as `onnxruntime`.
 * @property file the artefact, for error messages.
 * @property metadata what the artefact says of itself.
 */
abstract class Engine(
    val name: String,
    val file: String,
    val metadata: Metadata,
) : AutoCloseable {
    private val lock = ReentrantLock()
    private var closed = false
    private val results: Map<String, Map<String, Tensor>> =
        metadata.entries.mapValues { (_, spec) -> spec.outputs.associate { it.name to Tensor(it.shape) } }

    /** Threads that compute an entry, read back from the engine; null where it does not tell. */
    abstract val threads: Int?

    /** Runs an entry on checked inputs and writes every output. */
    protected abstract fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    )

    /** Frees what is native; called once, never during a run. */
    protected abstract fun release()

    /**
     * Run one entry.
     *
     * @param inputs name → tensor of exactly the shape in the metadata.
     * @return name → tensor, valid until the next run of this entry.
     * @throws IllegalArgumentException an unknown entry, or an input with another name or shape.
     * @throws UserError the engine fails, is closed, or an output holds NaN or infinity.
     */
    fun run(
        entry: String,
        inputs: Map<String, Tensor>,
    ): Map<String, Tensor> =
        lock.withLock {
            if (closed) throw UserError("the artefact is closed", file, "load it again")
            val spec =
                requireNotNull(metadata.entries[entry]) {
                    "unknown entry $entry; this artefact has ${metadata.entries.keys.joinToString(", ")}"
                }
            checkInputs(entry, spec, inputs)
            val outputs = results.getValue(entry)
            runEntry(entry, inputs, outputs)
            for (tensor in spec.outputs) checkFinite(entry, tensor, outputs.getValue(tensor.name))
            outputs
        }

    /** Waits for the run in progress, then frees what is native; more than once does no harm. */
    final override fun close() {
        lock.withLock {
            if (!closed) {
                closed = true
                release()
            }
        }
    }

    private fun checkFinite(
        entry: String,
        spec: TensorSpec,
        tensor: Tensor,
    ) {
        val values = tensor.floats
        var finite = true
        for (i in 0 until tensor.size) finite = finite and (Math.abs(values.get(i)) <= Float.MAX_VALUE)
        if (finite) return
        val what = if ((0 until tensor.size).any { values.get(it).isNaN() }) "NaN" else "infinity"
        throw UserError(
            "output ${spec.name} of entry $entry holds $what on $name",
            file,
            "the weights or the input are broken: check the checkpoint and export again",
        )
    }
}

private fun checkInputs(
    entry: String,
    spec: EntrySpec,
    inputs: Map<String, Tensor>,
) {
    require(inputs.size == spec.inputs.size && spec.inputs.all { it.name in inputs }) {
        "entry $entry takes ${spec.inputs.joinToString(", ") { it.name }}; " +
            "got ${inputs.keys.joinToString(", ").ifEmpty { "nothing" }}"
    }
    for (tensor in spec.inputs) {
        val shape = inputs.getValue(tensor.name).shape
        require(shape == tensor.shape) {
            "input ${tensor.name} of entry $entry has shape $shape; the artefact takes ${tensor.shape}"
        }
    }
}

/**
 * The tensors of an entry, as an engine tells them: name → shape; empty for what is no float32 tensor, so that it
 * differs from the metadata's.
 */
class Signature(
    val inputs: Map<String, List<Int>>,
    val outputs: Map<String, List<Int>>,
)

/**
 * Refuse an artefact whose metadata and graph disagree.
 *
 * @param file the artefact, for the error message.
 * @param metadata what the artefact says of itself.
 * @param tell what the engine says of an entry.
 * @throws UserError names or shapes differ.
 */
fun checkSignatures(
    file: String,
    metadata: Metadata,
    tell: (entry: String) -> Signature,
) {
    for ((entry, spec) in metadata.entries) {
        val signature = tell(entry)
        for ((said, found) in listOf(spec.inputs to signature.inputs, spec.outputs to signature.outputs)) {
            val expected = said.associate { it.name to it.shape }
            if (expected == found) continue
            throw UserError(
                "the metadata give entry $entry ${shapes(expected)} but its graph has ${shapes(found)}",
                file,
                "export the model again",
            )
        }
    }
}

private fun shapes(tensors: Map<String, List<Int>>): String =
    tensors.entries.joinToString(", ") { (name, shape) -> "$name ${shape.joinToString("x")}" }
