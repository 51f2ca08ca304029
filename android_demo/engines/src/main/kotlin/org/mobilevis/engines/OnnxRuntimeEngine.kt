package org.mobilevis.engines

import ai.onnxruntime.NodeInfo
import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtLoggingLevel
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Signature
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.checkSignatures
import org.mobilevis.core.metadata.Metadata
import java.io.File

/** The `<entry>.onnx` files of one export, on ONNX Runtime's CPU provider. */
class OnnxRuntimeEngine private constructor(
    folder: File,
    metadata: Metadata,
    private val sessions: Sessions,
) : Engine("onnxruntime", folder.path, metadata) {
    /** Native views of tensors, which share their memory; one for each input and output. */
    private val views = HashMap<Pair<String, String>, View>()

    /** ONNX Runtime's Java API sets the number of threads but does not tell it. */
    override val threads: Int? = null

    override fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        try {
            val given = inputs.mapValues { (name, tensor) -> view(entry, name, tensor) }
            val taken = outputs.mapValues { (name, tensor) -> view(entry, name, tensor) }
            sessions.getValue(entry).run(given, taken).close()
        } catch (error: OrtException) {
            throw UserError("ONNX Runtime failed in entry $entry: ${error.message}", file, AGAIN, error)
        }
    }

    private fun view(
        entry: String,
        name: String,
        tensor: Tensor,
    ): OnnxTensor {
        val key = entry to name
        val known = views[key]
        if (known != null && known.tensor === tensor) return known.native
        known?.native?.close()
        val shape = LongArray(tensor.shape.size) { tensor.shape[it].toLong() }
        val native = OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), tensor.floats, shape)
        views[key] = View(tensor, native)
        return native
    }

    override fun release() {
        views.values.forEach { it.native.close() }
        sessions.close()
    }

    private class View(
        val tensor: Tensor,
        val native: OnnxTensor,
    )

    companion object {
        /**
         * Load a folder of .onnx files, or the folder of one such file.
         *
         * @param metadata of the folder, see [readMetadata].
         * @throws UserError a file's graph is not that of its metadata.
         */
        fun load(
            path: File,
            metadata: Metadata,
            threads: Int,
        ): Engine {
            val folder = onnxFolder(path)
            return Sessions().orClose { sessions ->
                for (entry in metadata.entries.keys) sessions[entry] = open(File(folder, "$entry.onnx"), threads)
                checkSignatures(folder.path, metadata) { signature(sessions.getValue(it)) }
                OnnxRuntimeEngine(folder, metadata, sessions)
            }
        }

        private fun open(
            file: File,
            threads: Int,
        ): OrtSession =
            try {
                OrtSession.SessionOptions().use { options ->
                    options.setIntraOpNumThreads(threads)
                    options.setInterOpNumThreads(1)
                    options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL)
                    if (threads == 1) options.addConfigEntry("session.intra_op.allow_spinning", "0")
                    OrtEnvironment.getEnvironment().createSession(file.path, options)
                }
            } catch (error: OrtException) {
                throw ArtefactFormat.ONNX.cannotRead(file, error)
            }

        private fun signature(session: OrtSession) = Signature(shapes(session.inputInfo), shapes(session.outputInfo))

        private fun shapes(infos: Map<String, NodeInfo>): Map<String, List<Int>> =
            infos.mapValues { (_, node) ->
                val info = node.info as? TensorInfo
                if (info?.type == OnnxJavaType.FLOAT) info.shape.map { it.toInt() } else emptyList()
            }
    }
}

/** The session of each entry. */
private class Sessions :
    LinkedHashMap<String, OrtSession>(),
    AutoCloseable {
    override fun close() = values.forEach { it.close() }
}
