package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Signature
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.checkSignatures
import org.mobilevis.core.metadata.EntrySpec
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.PteProgram
import org.mobilevis.core.metadata.TensorSpec
import org.mobilevis.core.startingAt
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import java.io.File
import org.pytorch.executorch.Tensor as NativeTensor

/** The methods of a .pte file. */
class ExecuTorchEngine private constructor(
    path: File,
    metadata: Metadata,
    private val module: Module,
) : Engine("executorch", path.path, metadata) {
    /** ExecuTorch's Java API sets the number of threads but does not tell it. */
    override val threads: Int? = null

    override fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        val spec = metadata.entries.getValue(entry)
        val given = Array(spec.inputs.size) { view(inputs.getValue(spec.inputs[it].name)) }
        val failed = { error: RuntimeException ->
            UserError("ExecuTorch failed in entry $entry: ${error.message}", file, AGAIN, error)
        }
        native(failed) {
            val taken = module.execute(entry, *given)
            for ((i, output) in spec.outputs.withIndex()) {
                val target = outputs.getValue(output.name).floats.startingAt(0)
                taken[i].toTensor().copyDataInto(target)
                target.startingAt(0)
            }
        }
    }

    private fun view(tensor: Tensor): EValue {
        val shape = LongArray(tensor.shape.size) { tensor.shape[it].toLong() }
        return EValue.from(NativeTensor.fromBlob(tensor.floats, shape))
    }

    override fun release() = module.close()

    companion object {
        /**
         * Load a .pte file.
         *
         * @param metadata of the file, see [readMetadata].
         * @throws UserError the file's methods are not those of its metadata, it needs arithmetic that this CPU lacks,
         *   or this device lacks ExecuTorch's library.
         */
        fun load(
            path: File,
            metadata: Metadata,
            threads: Int,
        ): Engine {
            val methods = mapped(path) { PteProgram.read(it) }.methods
            checkEntries(path, metadata, "method", methods.keys)
            checkSignatures(path.path, metadata) { signature(metadata.entries.getValue(it), methods.getValue(it)) }
            checkPrecision(metadata, path.path)
            val module = native(path) { Module.load(path.path, Module.LOAD_MODE_MMAP, threads) }
            return module.orClose {
                for (entry in metadata.entries.keys) native(path) { it.loadMethod(entry) }
                ExecuTorchEngine(path, metadata, it)
            }
        }

        /** Methods do not name their tensors: the metadata do. A tensor too many has its position for a name. */
        private fun signature(
            spec: EntrySpec,
            shapes: PteProgram.Shapes,
        ) = Signature(named(spec.inputs, shapes.inputs), named(spec.outputs, shapes.outputs))

        private fun named(
            specs: List<TensorSpec>,
            shapes: List<List<Int>>,
        ) = shapes.withIndex().associate { (i, shape) -> (specs.getOrNull(i)?.name ?: "$i") to shape }

        private fun <T> native(
            path: File,
            body: () -> T,
        ): T = native({ ArtefactFormat.PTE.cannotRead(path, it) }, body)
    }
}

/** Runs [body]; what ExecuTorch throws, of several kinds without a base of their own, becomes one. */
@Suppress("TooGenericExceptionCaught")
private fun <T> native(
    failed: (RuntimeException) -> UserError,
    body: () -> T,
): T =
    try {
        body()
    } catch (error: RuntimeException) {
        throw failed(error)
    }
