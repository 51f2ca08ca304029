package org.mobilevis.worker

import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.json.parseJson
import org.mobilevis.core.json.writeJson
import org.mobilevis.engines.loadArtefact
import java.io.File

/**
 * Runs frames as it is told, for benchmarks/latency/runtimes.py: each line of standard input is a number of frames,
 * answered by a line with their milliseconds, this process's heap after a collection and its resident memory.
 */
object FrameServer {
    /** Arguments: artefact, raw frames, the driver's options as JSON. */
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (artefact, clip, options) = arguments

        @Suppress("UNCHECKED_CAST")
        val given = parseJson(options) as Map<String, Any?>
        loadArtefact(File(artefact)).use { engine ->
            val frames = FramesWorkload(VideoSegmenter(engine, driverOptions(given)), RawFrames(File(clip)))
            generateSequence(::readLine).forEach { line ->
                val milliseconds = List(line.trim().toInt()) { frames.step().milliseconds }
                println(writeJson(mapOf("milliseconds" to milliseconds) + memory()))
            }
        }
    }

    private fun memory(): Map<String, Double> {
        System.gc()
        val runtime = Runtime.getRuntime()
        val status = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }
        return mapOf(
            "heap_mib" to (runtime.totalMemory() - runtime.freeMemory()) / BYTES_A_MIB,
            "resident_mib" to status.filter { it.isDigit() }.toLong() / KIB_A_MIB,
        )
    }

    private const val BYTES_A_MIB = 1048576.0
    private const val KIB_A_MIB = 1024.0
}
