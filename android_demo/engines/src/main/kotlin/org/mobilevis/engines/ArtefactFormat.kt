package org.mobilevis.engines

import org.mobilevis.core.UserError
import java.io.File

/** What to do about a file that is broken. */
internal const val AGAIN = "export the model again, or copy it again"

/**
 * The three formats of an artefact.
 *
 * @property words what a user calls it.
 * @property engine what the engine of this format is called.
 * @property unreadable what is said of a file that the engine cannot read.
 */
enum class ArtefactFormat(
    val words: String,
    internal val engine: String,
    private val unreadable: String,
) {
    ONNX("a folder of .onnx files", "ONNX Runtime", "it is truncated, or of a newer ONNX version"),
    PTE("a .pte file", "ExecuTorch", "it is truncated, or made by another version"),
    TFLITE("a .tflite file", "LiteRT", "it is truncated, or made by a newer version"),
    ;

    /** The error of a file that its engine cannot read. */
    internal fun cannotRead(
        file: File,
        cause: Throwable,
    ) = UserError("$engine cannot read the file; $unreadable", file.path, AGAIN, cause)

    companion object {
        /**
         * The format of an artefact from its path alone.
         *
         * @throws UserError nothing is there, the file is empty, or it is none of the three.
         */
        fun of(path: File): ArtefactFormat {
            if (!path.exists()) {
                throw UserError("there is no such artefact", path.path, "check the path, or export a model first")
            }
            if (path.isDirectory) {
                if (onnxFiles(path).isNotEmpty()) return ONNX
                throw UserError("the folder holds no .onnx file", path.path, "give the folder of an ONNX export")
            }
            if (path.length() == 0L) {
                throw UserError("the artefact is empty", path.path, AGAIN)
            }
            val suffix = if (path.extension.isEmpty()) "no suffix" else ".${path.extension}"
            val known = entries.joinToString(", ") { it.words }
            return entries.firstOrNull { it.name.equals(path.extension, ignoreCase = true) }
                ?: throw UserError("$suffix is not the format of an artefact", path.path, "give $known")
        }
    }
}

/** The .onnx files of a folder, by name. */
internal fun onnxFiles(folder: File): List<File> =
    folder.listFiles { file -> file.extension == "onnx" }.orEmpty().sortedBy { it.name }

/** The folder of an ONNX export: a path itself, or the folder of one of its files. */
internal fun onnxFolder(path: File): File = if (path.isDirectory) path else path.absoluteFile.parentFile
