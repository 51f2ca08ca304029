package org.mobilevis.app.models

import android.content.res.AssetManager
import org.mobilevis.core.UserError
import org.mobilevis.engines.ArtefactFormat
import java.io.File
import java.io.IOException
import java.io.InputStream

/** Larger files are refused before they fill the disk; engines map no more than this. */
const val MAX_MODEL_BYTES = Int.MAX_VALUE.toLong()

/** What stays free: Android itself fails on a full disk. */
private const val SPARE_BYTES = 64L shl 20
private const val ASSETS = "models"
private const val PARTIAL = ".partial"

/**
 * A file that the system's picker gave.
 *
 * @property name as shown by its provider; nothing in it is trusted.
 * @property size in bytes; null where the provider does not tell.
 * @property open gives its bytes.
 */
class PickedFile(
    val name: String,
    val size: Long?,
    val open: () -> InputStream,
)

/**
 * The models on this device: engines map files, so what is bundled or picked is copied into the app's own folder.
 *
 * Not for the main thread.
 *
 * @param folder of the copies; a .tflite or .pte is a file, an ONNX export a folder.
 * @param assets where the bundled model is; the build may have put none there.
 * @param usableSpace bytes that are free.
 */
class ModelStore(
    private val folder: File,
    private val assets: AssetManager,
    private val usableSpace: () -> Long,
) {
    /** Name of the bundled model; null if the build put none into the app. */
    val bundled: String? by lazy { assets.list(ASSETS).orEmpty().firstOrNull() }

    /** Names of all models, the bundled one first. */
    fun names(): List<String> {
        val copies = folder.list().orEmpty().filter { !it.endsWith(PARTIAL) }
        return listOfNotNull(bundled) + (copies - setOfNotNull(bundled)).sorted()
    }

    /**
     * The file or folder of a model, copied out of the app first if it is the bundled one.
     *
     * @param name of the model; null takes the bundled one.
     * @throws UserError there is no such model, or no space for its copy.
     */
    fun file(name: String?): File {
        val wanted =
            name ?: bundled ?: throw UserError("this app was built without a model", fix = "add one with Add model")
        val file = File(folder, wanted)
        if (!file.exists() && wanted == bundled) {
            copy(PickedFile(wanted, null) { assets.open("$ASSETS/$wanted") }, file)
        }
        if (!file.exists()) throw UserError("the model is gone", wanted, "add it again")
        return file
    }

    /** The format of a model by its name alone; null for none of ours. */
    fun format(name: String): ArtefactFormat? =
        if (File(folder, name).isDirectory) ArtefactFormat.ONNX else ArtefactFormat.ofSuffix(File(name).extension)

    /**
     * Takes over picked files: one of a format that is a file, or all of an export that is a folder.
     *
     * @return the model's name.
     * @throws UserError a file has another format, or one whose engine is not in this build, is empty or too large,
     *   cannot be read, or the disk is full.
     */
    fun add(picked: List<PickedFile>): String {
        val names = picked.joinToString(", ") { safeName(it.name) }
        val format = picked.map { ArtefactFormat.ofSuffix(File(it.name).extension) }.distinct().singleOrNull()
        if (format == null || (format != ArtefactFormat.ONNX && picked.size > 1)) {
            throw UserError("not a model of mobilevis", names, "choose ${wantedFiles()}")
        }
        format.checkBuiltIn(names)
        return if (format == ArtefactFormat.ONNX) addFolder(picked) else addFile(picked[0])
    }

    private fun addFile(picked: PickedFile): String {
        val name = freeName(safeName(picked.name))
        copy(picked, File(folder, name))
        return name
    }

    private fun addFolder(picked: List<PickedFile>): String {
        val name = freeName("onnx")
        val partial = File(folder, name + PARTIAL)
        try {
            for (file in picked) copy(file, File(partial, safeName(file.name)))
            rename(partial, File(folder, name))
        } finally {
            partial.deleteRecursively()
        }
        return name
    }

    /** Removes a copy; the bundled model comes back when it is wanted. */
    fun remove(name: String) {
        File(folder, safeName(name)).deleteRecursively()
    }

    private fun freeName(wanted: String): String {
        val taken = names()
        val base = wanted.substringBeforeLast('.')
        val suffix = wanted.removePrefix(base)
        return (1..Int.MAX_VALUE)
            .asSequence()
            .map { if (it == 1) wanted else "$base-$it$suffix" }
            .first { it !in taken }
    }

    private fun copy(
        picked: PickedFile,
        target: File,
    ) {
        val name = safeName(picked.name)
        checkSize(picked.size ?: 0L, name)
        val partial = File(target.path + PARTIAL)
        try {
            partial.parentFile?.mkdirs()
            val copied = picked.open().use { transfer(it, partial, name) }
            if (copied == 0L) throw UserError("the file is empty", name, "choose another file")
            rename(partial, target)
        } catch (error: IOException) {
            throw UserError("the file cannot be copied: ${error.message}", name, "choose it again", error)
        } catch (error: SecurityException) {
            throw UserError("the file may not be read", name, "choose it again", error)
        } finally {
            partial.delete()
        }
    }

    private fun transfer(
        from: InputStream,
        to: File,
        name: String,
    ): Long {
        val buffer = ByteArray(1 shl 16)
        var copied = 0L
        to.outputStream().use { out ->
            while (true) {
                val read = from.read(buffer)
                if (read < 0) return copied
                checkSize(read.toLong(), name, copied)
                out.write(buffer, 0, read)
                copied += read
            }
        }
    }

    private fun checkSize(
        more: Long,
        name: String,
        copied: Long = 0L,
    ) {
        if (copied + more > MAX_MODEL_BYTES) {
            throw UserError("the file is larger than 2 GiB", name, "choose a smaller model")
        }
        if (usableSpace() - more < SPARE_BYTES) {
            throw UserError("no space on this device", name, "free some space, then choose the file again")
        }
    }

    private fun rename(
        from: File,
        to: File,
    ) {
        if (!from.renameTo(to)) throw IOException("${to.name} cannot be written")
    }
}

/** What can be picked in this build, in words. */
fun wantedFiles(): String =
    ArtefactFormat.entries.filter { it.isBuiltIn }.joinToString(" or ") {
        if (it == ArtefactFormat.ONNX) "all .onnx files of one export" else it.words
    }

/** The last part of a name, without what leads out of a folder or hides a file. */
internal fun safeName(name: String): String {
    val last = name.substringAfterLast('/').substringAfterLast('\\').filterNot { it.isISOControl() }
    return last.trimStart('.').takeLast(MAX_NAME).ifEmpty { "model" }
}

/** Of 255 bytes of a file name, some for a number and for [PARTIAL], and for letters of several bytes. */
private const val MAX_NAME = 60
