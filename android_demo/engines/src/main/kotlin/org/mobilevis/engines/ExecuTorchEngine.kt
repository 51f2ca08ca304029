package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import java.io.File
import org.pytorch.executorch.Tensor as NativeTensor

/** The .pte schema that this runtime reads, at bytes 4 to 8 of the file. */
private const val PTE_IDENTIFIER = "ET12"
private const val METADATA_METHOD = "metadata"

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
        val given = Array(spec.inputs.size) { EValue.from(native(inputs.getValue(spec.inputs[it].name))) }
        val taken = native("entry $entry failed", file) { module.execute(entry, *given) }
        if (taken.size != spec.outputs.size) {
            throw UserError("entry $entry gives ${taken.size} outputs, not ${spec.outputs.size}", file, AGAIN)
        }
        for ((value, output) in taken.zip(spec.outputs)) {
            val tensor = native("entry $entry failed", file) { value.toTensor() }
            val shape = tensor.shape().map { it.toInt() }
            if (shape != output.shape) {
                throw UserError(
                    "the metadata give output ${output.name} of entry $entry ${output.shape.joinToString("x")} " +
                        "but its graph has ${shape.joinToString("x")}",
                    file,
                    "export the model again",
                )
            }
            val target = outputs.getValue(output.name).floats
            target.rewind()
            native("entry $entry failed", file) { tensor.copyDataInto(target) }
            target.rewind()
        }
    }

    private fun native(tensor: Tensor): NativeTensor =
        NativeTensor.fromBlob(tensor.floats, LongArray(tensor.shape.size) { tensor.shape[it].toLong() })

    override fun release() = module.close()

    companion object {
        /**
         * Load a .pte file.
         *
         * @throws UserError the file is not a whole program of ours, needs arithmetic that this CPU lacks, or this
         *   device lacks ExecuTorch's library.
         */
        fun load(
            path: File,
            threads: Int,
        ): ExecuTorchEngine {
            checkIdentifier(path)
            val what = "ExecuTorch cannot read the file; it is truncated, or made by another version"
            val module = native(what, path.path) { Module.load(path.path, Module.LOAD_MODE_MMAP, threads) }
            return try {
                val names = native(what, path.path) { module.methods.orEmpty().toSet() }
                if (METADATA_METHOD !in names) throw noMetadata(path)
                val text = native(what, path.path) { module.execute(METADATA_METHOD)[0].toStr() }
                val metadata = parseMetadata(text, path.path)
                val missing = metadata.entries.keys - names
                if (missing.isNotEmpty()) {
                    throw UserError("the file has no method ${missing.sorted().joinToString(", ")}", path.path, AGAIN)
                }
                checkPrecision(metadata, path.path)
                for (entry in metadata.entries.keys) native(what, path.path) { module.loadMethod(entry) }
                ExecuTorchEngine(path, metadata, module)
            } catch (error: UserError) {
                module.close()
                throw error
            }
        }

        private fun checkIdentifier(path: File) {
            val found = identifier(path)
            if (found == PTE_IDENTIFIER) return
            if (found.startsWith(PTE_IDENTIFIER.take(2))) {
                throw UserError(
                    "the .pte schema is $found, this runtime reads $PTE_IDENTIFIER",
                    path.path,
                    "export the model again with the installed executorch",
                )
            }
            throw UserError("the file is not an ExecuTorch program", path.path, AGAIN)
        }
    }
}

/** Runs [body]; what ExecuTorch throws, of several kinds without a base of their own, becomes one. */
@Suppress("TooGenericExceptionCaught")
private fun <T> native(
    what: String,
    file: String,
    body: () -> T,
): T =
    try {
        body()
    } catch (error: UnsatisfiedLinkError) {
        throw missingLibrary("ExecuTorch", File(file), error)
    } catch (error: NoClassDefFoundError) {
        throw missingLibrary("ExecuTorch", File(file), error)
    } catch (error: RuntimeException) {
        throw UserError(what, file, AGAIN, error)
    }
