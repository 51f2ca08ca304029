package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.checkSignature
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.TFLITE_IDENTIFIER
import org.mobilevis.core.metadata.parseMetadata
import org.mobilevis.core.metadata.readTfliteMetadata
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import java.io.File

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
            (inputs.values + outputs.values).forEach { it.bytes.rewind() }
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
         * @throws UserError the file is not a whole model of ours, or this device lacks LiteRT's library.
         */
        fun load(
            path: File,
            threads: Int,
        ): LiteRtEngine {
            val metadata = parseMetadata(metadataText(path), path.path)
            val interpreter = open(path, threads)
            return try {
                val missing = metadata.entries.keys - interpreter.signatureKeys.toSet()
                if (missing.isNotEmpty()) {
                    throw UserError(
                        "the file has no signature ${missing.sorted().joinToString(", ")}",
                        path.path,
                        AGAIN,
                    )
                }
                for (entry in metadata.entries.keys) check(path, entry, metadata, interpreter)
                LiteRtEngine(path, metadata, interpreter)
            } catch (error: UserError) {
                interpreter.close()
                throw error
            }
        }

        private fun metadataText(path: File): String {
            if (identifier(path) !=
                TFLITE_IDENTIFIER
            ) {
                throw UserError("the file is not a TFLite model", path.path, AGAIN)
            }
            return try {
                mapped(path) { readTfliteMetadata(it) } ?: throw noMetadata(path)
            } catch (error: IllegalArgumentException) {
                throw unreadable(path, error)
            }.decodeToString()
        }

        private fun open(
            path: File,
            threads: Int,
        ): Interpreter =
            try {
                Interpreter(path, Interpreter.Options().setNumThreads(threads).setUseXNNPACK(true))
            } catch (error: IllegalArgumentException) {
                throw unreadable(path, error)
            } catch (error: IllegalStateException) {
                throw unreadable(path, error)
            } catch (error: UnsatisfiedLinkError) {
                throw missingLibrary("LiteRT", path, error)
            }

        private fun unreadable(
            path: File,
            cause: Exception,
        ) = UserError(
            "LiteRT cannot read the file; it is truncated, or made by a newer version",
            path.path,
            AGAIN,
            cause,
        )

        private fun check(
            path: File,
            entry: String,
            metadata: Metadata,
            interpreter: Interpreter,
        ) {
            val inputs =
                interpreter.getSignatureInputs(entry).associateWith {
                    shape(interpreter.getInputTensorFromSignature(it, entry))
                }
            val outputs =
                interpreter.getSignatureOutputs(entry).associateWith {
                    shape(interpreter.getOutputTensorFromSignature(it, entry))
                }
            checkSignature(path.path, entry, metadata.entries.getValue(entry), inputs, outputs)
        }

        /** Empty for what is not float32, so that it differs from the metadata's. */
        private fun shape(tensor: org.tensorflow.lite.Tensor): List<Int> =
            if (tensor.dataType() == DataType.FLOAT32) tensor.shape().toList() else emptyList()
    }
}

/** The error of a device that an engine's native library was not built for. */
internal fun missingLibrary(
    engine: String,
    path: File,
    cause: Throwable,
) = UserError("this device cannot load $engine's library", path.path, "try an artefact of another format", cause)
