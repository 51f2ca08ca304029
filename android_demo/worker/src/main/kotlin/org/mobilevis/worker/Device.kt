package org.mobilevis.worker

import org.mobilevis.core.UserError
import java.io.File
import java.io.IOException
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit

private const val MAX_FILE_BYTES = 1 shl 18
private const val TOOL_SECONDS = 10L
private const val PROBE_REPEATS = 50
private const val PROBE_ITERATIONS = 100_000

/**
 * What the host wants to know of the device: it makes sense of it, here it is only read.
 *
 * @param folder the job's, for what a tool prints.
 */
internal class Device(
    private val folder: File,
    private val readings: Map<String, Reading>,
) {
    /** What the files and tools of a reading say now. */
    fun read(name: String): Map<String, Any> {
        val reading = requireNotNull(readings[name]) { "the job has no reading $name" }
        val tools = reading.tools.mapValues { (_, command) -> output(command, File(folder, "answer")) }
        return mapOf("files" to readFiles(reading.files), "tools" to tools)
    }
}

/** Path → text of the files that match the patterns and can be read, each cut at 256 KiB. */
internal fun readFiles(patterns: List<String>): Map<String, String> {
    val texts = LinkedHashMap<String, String>()
    for (path in patterns.flatMap(::match)) {
        try {
            texts[path.toString()] = readStart(path)
        } catch (_: IOException) {
            // Thermal zones of switched-off blocks fail, other files need root, processes end meanwhile.
            continue
        }
    }
    return texts
}

private fun readStart(path: Path): String =
    Files.newInputStream(path).use { stream ->
        val bytes = ByteArray(MAX_FILE_BYTES)
        var size = 0
        while (size < bytes.size) {
            val now = stream.read(bytes, size, bytes.size - size)
            if (now < 0) break
            size += now
        }
        String(bytes, 0, size, Charsets.UTF_8)
    }

/** The paths that match an absolute pattern whose parts may have wildcards, in order. */
private fun match(pattern: String): List<Path> =
    pattern.trim('/').split('/').fold(listOf(FileSystems.getDefault().getPath("/"))) { folders, part ->
        if (part.none { it in "*?[" }) {
            folders.map { it.resolve(part) }.filter(Files::exists)
        } else {
            folders.flatMap { entries(it, part) }
        }
    }

private fun entries(
    folder: Path,
    pattern: String,
): List<Path> =
    try {
        Files.newDirectoryStream(folder, pattern).use { it.sorted() }
    } catch (_: IOException) {
        emptyList()
    }

/** What a program prints; empty where there is none, or where it hangs. */
private fun output(
    command: List<String>,
    answer: File,
): String =
    try {
        val process = ProcessBuilder(command).redirectOutput(answer).redirectError(File("/dev/null")).start()
        if (!process.waitFor(TOOL_SECONDS, TimeUnit.SECONDS)) process.destroy()
        answer.readText()
    } catch (_: IOException) {
        ""
    } finally {
        answer.delete()
    }

/** Milliseconds of a fixed piece of work, the best of some: a clock without cpufreq. */
internal fun probeClock(): Double {
    var best = Double.MAX_VALUE
    var state = 1
    repeat(PROBE_REPEATS) {
        val start = System.nanoTime()
        repeat(PROBE_ITERATIONS) { state = state * 1664525 + 1013904223 }
        best = minOf(best, millisecondsSince(start))
    }
    check(state != 0) { "the work was left out" }
    return best
}

internal fun millisecondsSince(start: Long): Double = (System.nanoTime() - start) / 1e6

/** The number of this process. */
internal fun processId(): Int = File("/proc/self").canonicalFile.name.toInt()

/**
 * The user-mode emulator that this process runs under, such as `qemu-aarch64`; null on real hardware.
 *
 * QEMU answers /proc/self/exe with the emulated program, but not the same link of a thread.
 */
internal fun findEmulator(): String? =
    try {
        Files.readSymbolicLink(File("/proc/self/task/${processId()}/exe").toPath()).fileName.toString()
    } catch (_: IOException) {
        null // not every Android lets a process read it
    }?.takeIf { it.startsWith("qemu-") }

/** CPU seconds of this process so far, all threads: utime and stime of /proc/self/stat, in Android's 100 Hz. */
internal fun cpuSeconds(): Double {
    val fields =
        File("/proc/self/stat")
            .readText()
            .substringAfterLast(')')
            .trim()
            .split(' ')
    return (fields[UTIME].toLong() + fields[UTIME + 1].toLong()) / TICKS_A_SECOND
}

private const val UTIME = 11
private const val TICKS_A_SECOND = 100.0

/**
 * The CPUs that the kernel lets this process use.
 *
 * @throws UserError they are not those that were asked for.
 */
internal fun checkPinning(asked: List<Int>): List<Int> {
    val line = File("/proc/self/status").readLines().firstOrNull { it.startsWith("Cpus_allowed_list:") }
    val allowed = parseCpuList(line.orEmpty().substringAfter(':').trim())
    if (allowed.toSet() != asked.toSet()) {
        throw UserError(
            "asked for CPUs ${asked.joinToString(",")}, the system allows ${allowed.joinToString(",")}",
            fix = "choose other cores, or leave the cpuset (a container, Android's background group)",
        )
    }
    return allowed
}

/** The CPUs of a kernel list such as `0-3,7`. */
internal fun parseCpuList(text: String): List<Int> =
    text.split(',').filter { it.isNotEmpty() }.flatMap { part ->
        val ends = part.split('-').map { it.trim().toInt() }
        (ends.first()..ends.last()).toList()
    }
