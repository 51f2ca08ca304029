package org.mobilevis.core

import org.junit.jupiter.api.Assumptions.assumeTrue
import org.mobilevis.core.json.parseJson
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.TimeUnit

/** What the Python runtime says, written anew by `tests/android/golden.py` for each run of the tests. */
object Golden {
    private val python: String = System.getProperty("mobilevis.python", "python3")

    /** The folder of the scripted clips, pictures and metadata. */
    val folder: File by lazy { part("script") }

    /** The folder of a part of golden.py, written now. */
    fun part(name: String): File {
        val target = File("target/golden-$name").absoluteFile
        target.deleteRecursively()
        target.mkdirs()
        val needed = if (name == "real") "mobilevis.export, onnxruntime" else "mobilevis.runtime.segmenter"
        assumeTrue(
            exitStatus(listOf(python, "-c", "import $needed"), File(target, "probe.log")) == 0,
            "$python has no mobilevis: give one that has with -Dmobilevis.python=...",
        )
        run("golden.py", listOf(target.path, name), File(target, "golden.log"))
        return target
    }

    /** Runs a script of `tests/android`; what it says goes to [log], and into the exception where it fails. */
    fun run(
        script: String,
        arguments: List<String>,
        log: File,
    ) {
        val path = File("../../tests/android/$script").absolutePath
        check(exitStatus(listOf(python, path) + arguments, log) == 0) { log.readText() }
    }

    private fun exitStatus(
        command: List<String>,
        log: File,
    ): Int {
        val process = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start()
        check(process.waitFor(20, TimeUnit.MINUTES)) { "$command does not end" }
        return process.exitValue()
    }

    fun floats(file: File): FloatArray {
        val bytes = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        return FloatArray(bytes.remaining() / 4).also { bytes.asFloatBuffer().get(it) }
    }

    fun json(file: File): Any? = parseJson(file.readText())

    @Suppress("UNCHECKED_CAST")
    fun lines(text: String): List<Map<String, Any?>> = text.trim().lines().map { parseJson(it) as Map<String, Any?> }
}
