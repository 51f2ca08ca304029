package org.mobilevis.worker

import org.mobilevis.core.UserError
import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.VectorResult
import org.mobilevis.core.engine.checkParityVectors
import org.mobilevis.engines.loadArtefact
import org.mobilevis.engines.readMetadata
import java.util.Locale

/** What is called `parity` in a report, in the fields of Python's `VectorResult`. */
internal fun record(result: VectorResult): Map<String, Any> =
    mapOf(
        "entry" to result.entry,
        "output" to result.output,
        "max_abs" to result.maxAbs,
        "relative_norm" to result.relativeNorm,
        "tolerance" to result.tolerance,
    )

/**
 * Check an artefact against its stored parity vectors.
 *
 * @throws UserError an output differs by more than the tolerance, or the artefact carries no vectors.
 */
internal fun verify(engine: Engine): List<VectorResult> {
    val results = checkParityVectors(engine)
    val worst = results.maxByOrNull { maxOf(it.maxAbs, it.relativeNorm) }
    if (worst == null || worst.passed) return results
    throw UserError(
        "${engine.name} differs from PyTorch by %.1e (norm %.1e) on output %s of entry %s, allowed is %.1e"
            .format(Locale.ROOT, worst.maxAbs, worst.relativeNorm, worst.output, worst.entry, worst.tolerance),
        engine.file,
        "do not use this artefact on this device; try another engine",
    )
}

/**
 * Load a target on its format's engine.
 *
 * @return the engine, and milliseconds from the path to it; hashing is no part of what is timed.
 * @throws UserError the file is not usable, is a plain model, or another engine is asked for.
 */
internal fun load(
    target: Target,
    threads: Int,
): Pair<Engine, Double> {
    val file = target.file
    if (target.isBaseline) {
        throw UserError("the Android worker times artefacts only", file.path, "leave out this --baseline")
    }
    readMetadata(file)
    val start = System.nanoTime()
    val engine = loadArtefact(file, threads, verify = false)
    val milliseconds = millisecondsSince(start)
    if (target.engine != null && target.engine != engine.name) {
        engine.close()
        throw UserError("the Android worker runs this artefact on ${engine.name}", file.path, "leave out --engine")
    }
    return engine to milliseconds
}

/** Frames of the job's clip through the artefact's driver; null without a clip. */
internal fun makeFrames(
    engine: Engine,
    job: Job,
): FramesWorkload? =
    job.source?.let { FramesWorkload(VideoSegmenter(engine, driverOptions(job.driverOptions)), RawFrames(it)) }

/** At least one keyframe and its successors for every interval that the paper measures. */
private const val MEMORY_STEPS = 12

/** One target in a process of its own, so that nobody else's peak is in the figure. */
internal fun measureMemory(
    job: Job,
    device: Device,
    journal: Journal,
) {
    for ((index, target) in job.targets.withIndex()) {
        val before = device.read("memory")
        val engine = load(target, job.threads).first
        engine.use {
            val loaded = device.read("memory")
            val workload = makeFrames(engine, job) ?: EntriesWorkload(engine)
            repeat(MEMORY_STEPS) { workload.step() }
            journal.write(
                "memory",
                "target" to index,
                "raw" to mapOf("before" to before, "loaded" to loaded, "peak" to device.read("memory")),
                "workload" to workload.kind,
            )
        }
    }
}

/** The engines' Java APIs have no profiler. */
internal fun profile(
    job: Job,
    journal: Journal,
) {
    for (index in job.targets.indices) {
        journal.write("profile", "target" to index, "not_available" to "the Android worker has no profiler")
    }
}

/** The timing pass: nothing else runs in it. */
internal class TimingPass(
    private val job: Job,
    private val device: Device,
    private val journal: Journal,
) {
    private val origin = System.nanoTime()

    /** Time the job's targets, all together when interleaved, else one after the other. */
    fun run() {
        val machine = "machine" to System.getProperty("os.arch")
        val emulator = findEmulator()?.let { "emulator" to it }
        journal.write("device", *listOfNotNull(machine, emulator).toTypedArray(), "raw" to device.read("identity"))
        val everything = job.targets.indices.toList()
        for (group in if (job.interleave) listOf(everything) else everything.map { listOf(it) }) time(group)
    }

    private fun seconds() = (System.nanoTime() - origin) / 1e9

    private fun time(group: List<Int>) {
        observe("before", group)
        val engines = LinkedHashMap<Int, Engine>()
        try {
            for (index in group) engines[index] = prepare(index)
            val frames = framesOf(engines)
            time("entries", engines.mapValues { EntriesWorkload(it.value) })
            time("frames", frames)
        } finally {
            engines.values.forEach { it.close() }
        }
        observe("after", group)
    }

    private fun observe(
        event: String,
        group: List<Int>,
    ) {
        val snapshot = device.read("snapshot")
        journal.write(event, "targets" to group, "at_s" to seconds(), "raw" to snapshot, "probe_ms" to probeClock())
    }

    /** Load, run each entry once, verify. */
    private fun prepare(index: Int): Engine {
        val (engine, loadMilliseconds) = load(job.targets[index], job.threads)
        val first = EntriesWorkload(engine)
        val milliseconds = first.step().milliseconds - first.total
        val parity = verify(engine)
        val metadata = engine.metadata
        journal.write(
            "loaded",
            "target" to index,
            "load_ms" to loadMilliseconds,
            "first_ms" to milliseconds,
            "parity" to parity.map(::record),
            "engine" to engine.name,
            "threads" to engine.threads,
            "model" to metadata.model,
            "driver" to metadata.driver,
            "precision" to metadata.precision,
            "input_size" to listOf(metadata.inputSize.height, metadata.inputSize.width),
            "checkpoint_sha256" to metadata.checkpointSha256,
            "keyframe_interval" to metadata.options["keyframe_interval"],
        )
        return engine
    }

    private fun framesOf(engines: Map<Int, Engine>): Map<Int, Workload> {
        val frames = engines.mapValues { makeFrames(it.value, job) }
        for ((index, workload) in frames) {
            if (workload != null) continue
            journal.write(
                "not_measured",
                "target" to index,
                "kind" to "frames",
                "reason" to "no --source clip was given",
            )
        }
        return frames.mapNotNull { (index, workload) -> workload?.let { index to it } }.toMap()
    }

    private fun time(
        kind: String,
        workloads: Map<Int, Workload>,
    ) {
        if (workloads.isEmpty()) return
        warmUp(kind, workloads)
        workloads.values.forEach { it.restart() }
        val recordings = workloads.mapValues { Recording() }
        readState(workloads.keys)
        val before = usage()
        val (rounds, elapsed) = measure(kind, workloads, recordings)
        journal.write(
            "measured",
            "targets" to workloads.keys.toList(),
            "kind" to kind,
            "rounds" to rounds,
            "seconds" to elapsed,
            "complete" to job.protocol.isComplete(rounds, elapsed),
            "raw" to mapOf("before" to before, "after" to usage()),
        )
        readState(workloads.keys)
    }

    private fun warmUp(
        kind: String,
        workloads: Map<Int, Workload>,
    ) {
        val logs = workloads.mapValues { ArrayList<Double>() }
        val keyframes = workloads.mapValues { ArrayList<Double>() }
        val others = workloads.mapValues { ArrayList<Double>() }
        val start = System.nanoTime()
        var elapsed: Double
        do {
            for ((index, workload) in workloads) {
                val step = workload.step()
                val milliseconds = step.milliseconds.getValue(workload.total)
                logs.getValue(index) += milliseconds
                (if (step.isKeyframe == true) keyframes else others).getValue(index) += milliseconds
            }
            elapsed = (System.nanoTime() - start) / 1e9
            // The median of key and other frames together would jump between the two: the others' settles.
            val steady = workloads.keys.associateWith { others.getValue(it).ifEmpty { keyframes.getValue(it) } }
            val mayStop = steady.values.all { job.protocol.mayStopWarmup(it, elapsed) }
            if (mayStop) {
                for ((index, durations) in steady) {
                    journal.write(
                        "warm_up",
                        "target" to index,
                        "kind" to kind,
                        "milliseconds" to logs.getValue(index),
                        "settled" to job.protocol.hasSettled(durations, elapsed),
                    )
                }
            }
        } while (!mayStop)
    }

    private fun measure(
        kind: String,
        workloads: Map<Int, Workload>,
        recordings: Map<Int, Recording>,
    ): Pair<Int, Double> {
        val start = System.nanoTime()
        var lastFlush = 0.0
        var rounds = 0
        var elapsed: Double
        do {
            for ((index, workload) in workloads) {
                val at = seconds()
                recordings.getValue(index).add(at, workload.step())
            }
            rounds++
            elapsed = (System.nanoTime() - start) / 1e9
            val isLast = job.protocol.mayStop(rounds, elapsed)
            if (isLast || elapsed - lastFlush >= FLUSH_SECONDS) {
                lastFlush = elapsed
                flush(kind, recordings)
                if (!isLast) readState(workloads.keys)
            }
        } while (!isLast)
        return rounds to elapsed
    }

    private fun flush(
        kind: String,
        recordings: Map<Int, Recording>,
    ) {
        for ((index, recording) in recordings) {
            journal.write("samples", "target" to index, "kind" to kind, *recording.take())
        }
    }

    private fun readState(targets: Set<Int>) {
        val at = seconds()
        journal.write("reading", "targets" to targets.toList(), "at_s" to at, "raw" to device.read("reading"))
    }

    private fun usage() = mapOf("at_s" to seconds(), "own_s" to cpuSeconds()) + device.read("usage")

    private companion object {
        const val FLUSH_SECONDS = 1.0
    }
}
