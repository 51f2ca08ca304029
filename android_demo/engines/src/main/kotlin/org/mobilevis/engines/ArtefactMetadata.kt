package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.PTE_IDENTIFIER
import org.mobilevis.core.metadata.PteProgram
import org.mobilevis.core.metadata.TFLITE_IDENTIFIER
import org.mobilevis.core.metadata.WHOLE_FILE
import org.mobilevis.core.metadata.checkDigest
import org.mobilevis.core.metadata.parseMetadata
import org.mobilevis.core.metadata.readOnnxMetadata
import org.mobilevis.core.metadata.readTfliteMetadata
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/**
 * What an artefact says of itself, read before any engine sees the file: a damaged one can end an engine's process.
 *
 * @param path as for [loadArtefact].
 * @param verify compare the files' SHA-256 with the digests in the metadata.
 * @throws UserError the files are not a whole artefact of ours; the message says why and what to do.
 */
fun readMetadata(
    path: File,
    verify: Boolean = true,
): Metadata =
    when (ArtefactFormat.of(path)) {
        ArtefactFormat.ONNX -> readOnnxFolder(onnxFolder(path), verify)
        ArtefactFormat.PTE -> {
            checkPteIdentifier(path)
            readFile(path, ArtefactFormat.PTE, verify) { PteProgram.read(it).metadata }
        }
        ArtefactFormat.TFLITE -> {
            if (identifier(path) !=
                TFLITE_IDENTIFIER
            ) {
                throw UserError("the file is not a TFLite model", path.path, AGAIN)
            }
            readFile(path, ArtefactFormat.TFLITE, verify) { readTfliteMetadata(it) }
        }
    }

private fun readFile(
    file: File,
    format: ArtefactFormat,
    verify: Boolean,
    read: (ByteBuffer) -> ByteArray?,
): Metadata {
    val text = metadataText(file, format, read)
    val metadata = parseMetadata(text.decodeToString(), file.path)
    if (verify) mapped(file) { checkDigest(file, it, WHOLE_FILE, metadata, text) }
    return metadata
}

private fun readOnnxFolder(
    folder: File,
    verify: Boolean,
): Metadata {
    val files = onnxFiles(folder)
    val texts = files.map { file -> metadataText(file, ArtefactFormat.ONNX) { readOnnxMetadata(it) } }
    if (texts.any { !it.contentEquals(texts[0]) }) {
        throw UserError("the files come from different exports", folder.path, "export the model again")
    }
    val metadata = parseMetadata(texts[0].decodeToString(), folder.path)
    if (metadata.entries.keys != files.map { it.nameWithoutExtension }.toSet()) {
        val expected = metadata.entries.keys.joinToString(", ") { "$it.onnx" }
        throw UserError("the folder must hold exactly $expected", folder.path, "export the model again")
    }
    if (verify) {
        for (file in files) mapped(file) { checkDigest(file, it, file.nameWithoutExtension, metadata, texts[0]) }
    }
    return metadata
}

private fun metadataText(
    file: File,
    format: ArtefactFormat,
    read: (ByteBuffer) -> ByteArray?,
): ByteArray =
    try {
        mapped(file, read)
    } catch (error: IllegalArgumentException) {
        throw format.cannotRead(file, error)
    } ?: throw UserError("the model carries no mobilevis metadata", file.path, "export it with `mobilevis export`")

private fun checkPteIdentifier(path: File) {
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

/** Maps a file, so that its metadata are read without its weights, and gives it to [read]. */
internal fun <T> mapped(
    file: File,
    read: (ByteBuffer) -> T,
): T {
    if (file.length() > Int.MAX_VALUE) {
        throw UserError("the file is larger than 2 GiB", file.path, "choose a smaller model")
    }
    return try {
        RandomAccessFile(file, "r").use { access ->
            read(access.channel.map(FileChannel.MapMode.READ_ONLY, 0, access.length()))
        }
    } catch (error: IOException) {
        throw UserError("the file cannot be read", file.path, "check its permissions", error)
    }
}

/** Bytes 4 to 8 of a file, where FlatBuffers have their identifier; shorter for a shorter file. */
private fun identifier(file: File): String =
    mapped(file) { content ->
        val end = minOf(content.limit(), IDENTIFIER_END)
        String(
            CharArray(maxOf(0, end - IDENTIFIER_START)) { Char(content.get(IDENTIFIER_START + it).toInt() and 0xFF) },
        )
    }

private const val IDENTIFIER_START = 4
private const val IDENTIFIER_END = 8
