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
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.checkSignature
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import org.mobilevis.core.metadata.readOnnxMetadata
import java.io.File

/** The `<entry>.onnx` files of one export, on ONNX Runtime's CPU provider. */
class OnnxRuntimeEngine private constructor(
    folder: File,
    metadata: Metadata,
    private val sessions: Map<String, OrtSession>,
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
        sessions.values.forEach { it.close() }
    }

    private class View(
        val tensor: Tensor,
        val native: OnnxTensor,
    )

    companion object {
        /**
         * Load a folder of .onnx files, or the folder of one such file.
         *
         * @throws UserError a file is not a whole model of ours.
         */
        fun load(
            path: File,
            threads: Int,
        ): OnnxRuntimeEngine {
            val folder = if (path.isDirectory) path else path.absoluteFile.parentFile
            val files = onnxFiles(folder)
            val metadata = metadata(folder, files)
            val sessions = HashMap<String, OrtSession>()
            return try {
                for (file in files) sessions[file.nameWithoutExtension] = open(file, threads)
                for ((entry, session) in sessions) check(folder, entry, metadata, session)
                OnnxRuntimeEngine(folder, metadata, sessions)
            } catch (error: UserError) {
                sessions.values.forEach { it.close() }
                throw error
            }
        }

        private fun metadata(
            folder: File,
            files: List<File>,
        ): Metadata {
            val texts = files.map(::metadataText).distinct()
            if (texts.size != 1) {
                throw UserError("the files come from different exports", folder.path, "export the model again")
            }
            val metadata = parseMetadata(texts[0], folder.path)
            if (metadata.entries.keys != files.map { it.nameWithoutExtension }.toSet()) {
                val expected = metadata.entries.keys.joinToString(", ") { "$it.onnx" }
                throw UserError("the folder must hold exactly $expected", folder.path, "export the model again")
            }
            return metadata
        }

        private fun metadataText(file: File): String =
            try {
                mapped(file) { readOnnxMetadata(it) } ?: throw noMetadata(file)
            } catch (error: IllegalArgumentException) {
                throw unreadable(file, error)
            }.decodeToString()

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
                throw unreadable(file, error)
            }

        private fun unreadable(
            file: File,
            cause: Exception,
        ) = UserError(
            "ONNX Runtime cannot read the file; it is truncated, or of a newer ONNX version",
            file.path,
            AGAIN,
            cause,
        )

        private fun check(
            folder: File,
            entry: String,
            metadata: Metadata,
            session: OrtSession,
        ) {
            val spec = metadata.entries.getValue(entry)
            checkSignature(folder.path, entry, spec, shapes(session.inputInfo), shapes(session.outputInfo))
        }

        /** Name → shape; empty for what is no float32 tensor, so that it differs from the metadata's. */
        private fun shapes(infos: Map<String, NodeInfo>): Map<String, List<Int>> =
            infos.mapValues { (_, node) ->
                val info = node.info as? TensorInfo
                if (info?.type == OnnxJavaType.FLOAT) info.shape.map { it.toInt() } else emptyList()
            }
    }
}
