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
 * @property library a class of the engine's own library.
 */
enum class ArtefactFormat(
    val words: String,
    val engine: String,
    private val unreadable: String,
    private val library: String,
) {
    ONNX(
        "a folder of .onnx files",
        "ONNX Runtime",
        "it is truncated, or of a newer ONNX version",
        "ai.onnxruntime.OrtEnvironment",
    ),
    PTE(
        "a .pte file",
        "ExecuTorch",
        "it is truncated, or made by another version",
        "org.pytorch.executorch.Module",
    ),
    TFLITE(
        "a .tflite file",
        "LiteRT",
        "it is truncated, or made by a newer version",
        "org.tensorflow.lite.Interpreter",
    ),
    ;

    /** Whether the engine is part of this build: the Maven build has no ONNX Runtime for Android. */
    val isBuiltIn: Boolean by lazy {
        try {
            Class.forName(library, false, javaClass.classLoader)
            true
        } catch (_: ClassNotFoundException) {
            false
        }
    }

    /**
     * Refuses a file whose engine is not part of this build, before any class of that engine is touched.
     *
     * @param file as the user knows it.
     * @throws UserError with the formats that this build runs.
     */
    fun checkBuiltIn(file: String) {
        if (isBuiltIn) return
        val others = entries.filter { it.isBuiltIn }.joinToString(" or ") { it.words }
        val fix = "use $others, or the app's Gradle build, which has all engines"
        throw UserError("$engine is not in this build", file, fix)
    }

    /** The error of a file that its engine cannot read. */
    internal fun cannotRead(
        file: File,
        cause: Throwable,
    ) = UserError("$engine cannot read the file; $unreadable", file.path, AGAIN, cause)

    companion object {
        /** The format of files with this suffix, which is given without its dot; null if there is none. */
        fun ofSuffix(suffix: String): ArtefactFormat? =
            entries.firstOrNull { it.name.equals(suffix, ignoreCase = true) }

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
            return ofSuffix(path.extension)
                ?: throw UserError("$suffix is not the format of an artefact", path.path, "give $known")
        }
    }
}

/** The .onnx files of a folder, by name. */
internal fun onnxFiles(folder: File): List<File> =
    folder.listFiles { file -> file.extension == "onnx" }.orEmpty().sortedBy { it.name }

/** The folder of an ONNX export: a path itself, or the folder of one of its files. */
internal fun onnxFolder(path: File): File = if (path.isDirectory) path else path.absoluteFile.parentFile
