package org.mobilevis.app.benchmark

import kotlin.math.abs

/**
 * When to stop: the rules of `benchmarks/latency/worker/protocol.py`, and its preset `quick`.
 *
 * @property minRuns measure at least so many rounds,
 * @property minSeconds and at least so long,
 * @property maxSeconds but never longer.
 * @property warmupSeconds warm up at least so long: schedutil needs about 0.5 s to raise the clock.
 * @property maxWarmupSeconds give up waiting for the median to settle.
 * @property window runs whose running median must settle.
 * @property settledWithin relative distance of two successive windows' medians that counts as settled.
 */
data class Protocol(
    val name: String = "quick",
    val minRuns: Int = 128,
    val minSeconds: Double = 10.0,
    val maxSeconds: Double = 120.0,
    val warmupSeconds: Double = 0.5,
    val maxWarmupSeconds: Double = 20.0,
    val window: Int = 8,
    val settledWithin: Double = 0.02,
) {
    /** Whether the running median has settled, after the minimum time. */
    fun hasSettled(
        durations: List<Double>,
        elapsed: Double,
    ): Boolean {
        if (elapsed < warmupSeconds || durations.size < 2 * window) return false
        val before = median(durations.subList(durations.size - 2 * window, durations.size - window))
        val after = median(durations.takeLast(window))
        return abs(after - before) <= settledWithin * before
    }

    /** Whether both minima are reached. */
    fun isComplete(
        runs: Int,
        elapsed: Double,
    ): Boolean = runs >= minRuns && elapsed >= minSeconds

    /** The fields under the harness's names. */
    fun toMap(): Map<String, Any> =
        linkedMapOf(
            "name" to name,
            "min_runs" to minRuns,
            "min_seconds" to minSeconds,
            "max_seconds" to maxSeconds,
            "warmup_seconds" to warmupSeconds,
            "max_warmup_seconds" to maxWarmupSeconds,
            "window" to window,
            "settled_within" to settledWithin,
            "judges_drift" to true,
        )
}

/** The middle value, or the mean of the two middle ones; of at least one value. */
fun median(values: List<Double>): Double = percentile(values, 50.0)

/** A percentile, linear between the two nearest values, as NumPy has it. */
fun percentile(
    values: List<Double>,
    percent: Double,
): Double {
    val sorted = values.sorted()
    val place = percent / 100 * (sorted.size - 1)
    val low = place.toInt()
    val high = minOf(low + 1, sorted.size - 1)
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low)
}

/**
 * One timed round.
 *
 * @property milliseconds stage → wall-clock milliseconds.
 * @property isKeyframe null where entries are timed.
 * @property instances likewise.
 */
class Step(
    val milliseconds: Map<String, Double>,
    val isKeyframe: Boolean? = null,
    val instances: Int? = null,
)

/**
 * All samples of a workload.
 *
 * @property total the stage that sums up a step.
 * @property warmUp milliseconds of each step before the measurement.
 * @property isSettled whether the warm-up's median settled.
 * @property isComplete whether the protocol's minima were reached.
 */
class Series(
    val total: String,
    val atSeconds: List<Double>,
    val steps: List<Step>,
    val warmUp: List<Double>,
    val isSettled: Boolean,
    val isComplete: Boolean,
) {
    /** Names of the stages, in the order of their first sample. */
    val stages: List<String> = steps.flatMapTo(LinkedHashSet()) { it.milliseconds.keys }.toList()

    /** The samples of a stage. */
    fun of(stage: String): List<Double> = steps.mapNotNull { it.milliseconds[stage] }

    /** The whole step's samples, between keyframes where there are any: one mode, not two. */
    fun steady(): List<Double> {
        val others = steps.filter { it.isKeyframe == false }
        return others.ifEmpty { steps }.mapNotNull { it.milliseconds[total] }
    }
}

/**
 * Warms up, then measures.
 *
 * @param now seconds since the benchmark began.
 * @param onRound is told the runs and seconds so far, outside the timed steps; runs are null while it warms up.
 * @throws InterruptedException the thread was interrupted.
 */
class Measurement(
    private val protocol: Protocol,
    private val now: () -> Double,
    private val onRound: (runs: Int?, seconds: Double) -> Unit,
) {
    /** Steps until the protocol is served. */
    fun run(
        total: String,
        restart: () -> Unit,
        step: () -> Step,
    ): Series {
        val warmUp = ArrayList<Step>()
        val isSettled = warmUp(total, step, warmUp)
        restart()
        val start = now()
        val at = ArrayList<Double>()
        val steps = ArrayList<Step>()
        while (true) {
            at += now()
            steps += step()
            val elapsed = now() - start
            checkpoint(steps.size, elapsed)
            if (elapsed >= protocol.maxSeconds || protocol.isComplete(steps.size, elapsed)) break
        }
        val isComplete = protocol.isComplete(steps.size, now() - start)
        return Series(total, at, steps, warmUp.map { it.milliseconds.getValue(total) }, isSettled, isComplete)
    }

    private fun warmUp(
        total: String,
        step: () -> Step,
        into: MutableList<Step>,
    ): Boolean {
        val start = now()
        while (true) {
            into += step()
            val elapsed = now() - start
            checkpoint(null, elapsed)
            // The median of key and other frames together would jump between the two: the others' settles.
            val steady = into.filter { it.isKeyframe == false }.ifEmpty { into }.map { it.milliseconds.getValue(total) }
            val isSettled = protocol.hasSettled(steady, elapsed)
            if (isSettled || elapsed >= protocol.maxWarmupSeconds) return isSettled
        }
    }

    private fun checkpoint(
        runs: Int?,
        seconds: Double,
    ) {
        if (Thread.interrupted()) throw InterruptedException()
        onRound(runs, seconds)
    }
}
