package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Signature
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.checkSignatures
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.startingAt
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import java.io.File
import org.tensorflow.lite.Tensor as NativeTensor

/** The signatures of a .tflite file, with the XNNPACK delegate. */
class LiteRtEngine private constructor(
    path: File,
    metadata: Metadata,
    private val interpreter: Interpreter,
) : Engine("litert", path.path, metadata) {
    /** LiteRT sets the number of threads but does not tell it. */
    override val threads: Int? = null

    override fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        try {
            interpreter.runSignature(inputs.mapValues { it.value.bytes }, outputs.mapValues { it.value.bytes }, entry)
        } catch (error: IllegalArgumentException) {
            throw failed(entry, error)
        } catch (error: IllegalStateException) {
            throw failed(entry, error)
        } finally {
            (inputs.values + outputs.values).forEach { it.bytes.startingAt(0) }
        }
    }

    private fun failed(
        entry: String,
        cause: Exception,
    ) = UserError("LiteRT failed in entry $entry: ${cause.message}", file, AGAIN, cause)

    override fun release() = interpreter.close()

    companion object {
        /**
         * Load a .tflite file.
         *
         * @param metadata of the file, see [readMetadata].
         * @throws UserError the file's signatures are not those of its metadata, or this device lacks LiteRT's
         *   library.
         */
        fun load(
            path: File,
            metadata: Metadata,
            threads: Int,
        ): Engine =
            open(path, threads).orClose { interpreter ->
                checkEntries(path, metadata, "signature", interpreter.signatureKeys.toSet())
                checkSignatures(path.path, metadata) { signature(interpreter, it) }
                LiteRtEngine(path, metadata, interpreter)
            }

        private fun open(
            path: File,
            threads: Int,
        ): Interpreter =
            try {
                Interpreter(path, Interpreter.Options().setNumThreads(threads).setUseXNNPACK(true))
            } catch (error: IllegalArgumentException) {
                throw ArtefactFormat.TFLITE.cannotRead(path, error)
            } catch (error: IllegalStateException) {
                throw ArtefactFormat.TFLITE.cannotRead(path, error)
            }

        private fun signature(
            interpreter: Interpreter,
            entry: String,
        ) = Signature(
            interpreter.getSignatureInputs(entry).associateWith {
                shape(interpreter.getInputTensorFromSignature(it, entry))
            },
            interpreter.getSignatureOutputs(entry).associateWith {
                shape(interpreter.getOutputTensorFromSignature(it, entry))
            },
        )

        private fun shape(tensor: NativeTensor): List<Int> =
            if (tensor.dataType() == DataType.FLOAT32) tensor.shape().toList() else emptyList()
    }
}
