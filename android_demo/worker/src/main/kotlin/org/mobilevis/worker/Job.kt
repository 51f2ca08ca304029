package org.mobilevis.worker

import org.mobilevis.core.json.parseJson
import java.io.File

/**
 * What the host asks for: the job of `mobilevis.benchmarks.latency.worker.job`, and what to read of the device.
 *
 * @property purpose `timing`, `memory` or `profile`.
 * @property cpus that this process was pinned to.
 * @property source raw frames, see [RawFrames]; null to time the entries only.
 * @property driverOptions of the artefact's driver, by Python's names.
 * @property interleave step through the targets A B A B instead of one after the other.
 * @property readings what to read of the device: name → files and tools; the host makes sense of it.
 */
internal class Job(
    val targets: List<Target>,
    val purpose: String,
    val cpus: List<Int>,
    val threads: Int,
    val protocol: Protocol,
    val source: File?,
    val driverOptions: Map<String, Any?>,
    val interleave: Boolean,
    val readings: Map<String, Reading>,
)

/** One artefact or plain model, and the engine that is asked for. */
internal class Target(
    val file: File,
    val engine: String?,
    val isBaseline: Boolean,
)

/** Files by pattern, and programs with their arguments by name. */
internal class Reading(
    val files: List<String>,
    val tools: Map<String, List<String>>,
)

/** When to stop warming up and when to stop measuring; see `mobilevis.benchmarks.latency.worker.protocol`. */
internal class Protocol(
    private val minRuns: Long,
    private val minSeconds: Double,
    private val maxSeconds: Double,
    private val warmupSeconds: Double,
    private val maxWarmupSeconds: Double,
    private val window: Int,
    private val settledWithin: Double,
) {
    /** Whether the running median of the durations so far has settled, after the minimum time. */
    fun hasSettled(
        durations: List<Double>,
        elapsed: Double,
    ): Boolean {
        if (elapsed < warmupSeconds || durations.size < 2 * window) return false
        val before = median(durations.subList(durations.size - 2 * window, durations.size - window))
        val after = median(durations.subList(durations.size - window, durations.size))
        return Math.abs(after - before) <= settledWithin * before
    }

    /** Whether the warm-up ends here, settled or not. */
    fun mayStopWarmup(
        durations: List<Double>,
        elapsed: Double,
    ): Boolean = elapsed >= maxWarmupSeconds || hasSettled(durations, elapsed)

    /** Whether both minima are reached. */
    fun isComplete(
        runs: Int,
        elapsed: Double,
    ): Boolean = runs >= minRuns && elapsed >= minSeconds

    /** Whether measuring ends here, complete or capped. */
    fun mayStop(
        runs: Int,
        elapsed: Double,
    ): Boolean = elapsed >= maxSeconds || isComplete(runs, elapsed)
}

internal fun median(values: List<Double>): Double {
    val sorted = values.sorted()
    val middle = sorted.size / 2
    return if (sorted.size % 2 == 1) sorted[middle] else (sorted[middle - 1] + sorted[middle]) / 2.0
}

/**
 * The job of a JSON text.
 *
 * @param folder the job's; its paths are from there.
 * @throws IllegalArgumentException the text is no job of this version.
 */
internal fun parseJob(
    text: String,
    folder: File,
): Job {
    val raw = Fields(parseJson(text))
    val protocol = Fields(raw["protocol"])
    return Job(
        targets = raw.list("targets").map { target(Fields(it), folder) },
        purpose = raw.text("purpose"),
        cpus = raw.list("cpus").map { (it as Number).toInt() },
        threads = raw.number("threads").toInt(),
        protocol =
            Protocol(
                protocol.number("min_runs").toLong(),
                protocol.number("min_seconds").toDouble(),
                protocol.number("max_seconds").toDouble(),
                protocol.number("warmup_seconds").toDouble(),
                protocol.number("max_warmup_seconds").toDouble(),
                protocol.number("window").toInt(),
                protocol.number("settled_within").toDouble(),
            ),
        source = (raw["source"] as String?)?.let { File(folder, it) },
        driverOptions = Fields(raw["driver_options"]).all,
        interleave = raw["interleave"] as Boolean,
        readings = Fields(raw["readings"]).all.mapValues { reading(Fields(it.value)) },
    )
}

private fun target(
    raw: Fields,
    folder: File,
) = Target(File(folder, raw.text("path")), raw["engine"] as String?, raw["is_baseline"] as Boolean)

private fun reading(raw: Fields) =
    Reading(
        raw.list("files").map { it as String },
        Fields(raw["tools"]).all.mapValues { (_, command) -> (command as List<*>).map { it as String } },
    )

/** The fields of a JSON object, by name. */
private class Fields(
    value: Any?,
) {
    @Suppress("UNCHECKED_CAST") // parseJson makes no other maps
    val all = requireNotNull(value as? Map<String, Any?>) { "$value is no object" }

    operator fun get(name: String): Any? {
        require(name in all) { "the job has no $name" }
        return all[name]
    }

    fun text(name: String) = requireNotNull(get(name) as? String) { "$name is no text" }

    fun number(name: String) = requireNotNull(get(name) as? Number) { "$name is no number" }

    fun list(name: String) = requireNotNull(get(name) as? List<*>) { "$name is no list" }
}
