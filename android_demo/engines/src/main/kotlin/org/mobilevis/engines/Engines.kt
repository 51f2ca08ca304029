package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import java.io.File
import java.io.RandomAccessFile
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel

/** More threads than any phone has cores. */
private const val MOST_THREADS = 64

/** The engine of each format. */
private val ENGINES: Map<ArtefactFormat, (File, Int) -> Engine> =
    mapOf(
        ArtefactFormat.ONNX to { path, threads -> OnnxRuntimeEngine.load(path, threads) },
        ArtefactFormat.PTE to { path, threads -> ExecuTorchEngine.load(path, threads) },
        ArtefactFormat.TFLITE to { path, threads -> LiteRtEngine.load(path, threads) },
    )

/**
 * Load an artefact on the engine of its format; from any thread.
 *
 * @param path a .pte or .tflite file, the folder of an ONNX export, or one of the files in that folder.
 * @param threads that compute an entry. ExecuTorch has one pool for the whole process.
 * @return the engine; close it to free what is native.
 * @throws UserError the artefact cannot be loaded; the message says why and what to do.
 */
fun loadArtefact(
    path: File,
    threads: Int = 1,
): Engine {
    val most = minOf(Runtime.getRuntime().availableProcessors(), MOST_THREADS)
    if (threads !in 1..most) {
        throw UserError("$threads threads asked for", fix = "choose between 1 and $most, the available cores")
    }
    return ENGINES.getValue(ArtefactFormat.of(path))(path, threads)
}

/** The error of a file that carries none of our metadata. */
internal fun noMetadata(file: File) =
    UserError("the model carries no mobilevis metadata", file.path, "export it with `mobilevis export`")

/** Maps a file, so that its metadata are read without its weights, and gives it to [read]. */
internal fun <T> mapped(
    file: File,
    read: (MappedByteBuffer) -> T,
): T {
    if (file.length() >
        Int.MAX_VALUE
    ) {
        throw UserError("the file is larger than 2 GiB", file.path, "choose a smaller model")
    }
    return RandomAccessFile(file, "r").use { access ->
        read(access.channel.map(FileChannel.MapMode.READ_ONLY, 0, access.length()))
    }
}

/** Bytes 4 to 8 of a file, where FlatBuffers have their identifier; shorter for a shorter file. */
internal fun identifier(file: File): String =
    file.inputStream().use { stream ->
        val head = ByteArray(8)
        var read = 0
        while (read < head.size) {
            val now = stream.read(head, read, head.size - read)
            if (now < 0) break
            read += now
        }
        String(head, 4, maxOf(0, read - 4), Charsets.ISO_8859_1)
    }
