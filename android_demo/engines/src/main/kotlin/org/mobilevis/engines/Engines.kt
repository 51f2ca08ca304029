package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.metadata.Metadata
import java.io.File

/** More threads than any phone has cores. */
private const val MOST_THREADS = 64

/** The engine of each format. */
private val ENGINES: Map<ArtefactFormat, (File, Metadata, Int) -> Engine> =
    mapOf(
        ArtefactFormat.ONNX to { path, metadata, threads -> OnnxRuntimeEngine.load(path, metadata, threads) },
        ArtefactFormat.PTE to { path, metadata, threads -> ExecuTorchEngine.load(path, metadata, threads) },
        ArtefactFormat.TFLITE to { path, metadata, threads -> LiteRtEngine.load(path, metadata, threads) },
    )

/**
 * Load an artefact on the engine of its format; from any thread.
 *
 * @param path a .pte or .tflite file, the folder of an ONNX export, or one of the files in that folder.
 * @param threads that compute an entry. ExecuTorch has one pool for the whole process.
 * @param verify compare the files' SHA-256 with the digests in the metadata.
 * @return the engine; close it to free what is native.
 * @throws UserError the artefact cannot be loaded; the message says why and what to do.
 */
fun loadArtefact(
    path: File,
    threads: Int = 1,
    verify: Boolean = true,
): Engine {
    val most = minOf(Runtime.getRuntime().availableProcessors(), MOST_THREADS)
    if (threads !in 1..most) {
        throw UserError("$threads threads asked for", fix = "choose between 1 and $most, the available cores")
    }
    val format = ArtefactFormat.of(path)
    format.checkBuiltIn(path.path)
    val metadata = readMetadata(path, verify)
    return try {
        ENGINES.getValue(format)(path, metadata, threads)
    } catch (error: LinkageError) {
        // The engine's native library is not there, or is built for another device.
        throw UserError(
            "this device cannot load ${format.engine}'s library",
            path.path,
            "try an artefact of another format",
            error,
        )
    }
}

/** Gives a loaded engine to [use], and closes it where that fails. */
internal fun <E : AutoCloseable> E.orClose(use: (E) -> Engine): Engine =
    try {
        use(this)
    } catch (error: UserError) {
        close()
        throw error
    }

/** Refuses a file that lacks what an engine calls entries. */
internal fun checkEntries(
    path: File,
    metadata: Metadata,
    kind: String,
    found: Set<String>,
) {
    val missing = metadata.entries.keys - found
    if (missing.isEmpty()) return
    throw UserError("the file has no $kind ${missing.sorted().joinToString(", ")}", path.path, AGAIN)
}
