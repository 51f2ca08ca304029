package org.mobilevis.app.benchmark

import org.mobilevis.core.engine.VectorResult
import org.mobilevis.core.json.writeJson
import org.mobilevis.core.metadata.Metadata

/** The version of the JSON that `mobilevis bench` reads; docs/latency.md describes every field. */
const val REPORT_SCHEMA = "mobilevis.latency/1"

/** What a drift or a drop of the clock may be before the numbers are doubted, as in report/validity.py. */
private const val MAX_DRIFT = 0.05

/** `PowerManager.THERMAL_STATUS_LIGHT`. */
private const val THERMAL_LIGHT = 1

/**
 * How the model was run.
 *
 * @property options the driver's, under the harness's names.
 * @property source name and SHA-256 of the pictures.
 */
class Setup(
    val threads: Int,
    val protocol: Protocol,
    val options: Map<String, Any?>,
    val source: Map<String, String>,
)

/**
 * What was timed.
 *
 * @property name of the model's file.
 * @property threads read back from the engine; null where it does not tell.
 */
class Target(
    val name: String,
    val sha256: String,
    val engine: String,
    val threads: Int?,
    val metadata: Metadata,
)

/**
 * What was measured.
 *
 * @property loadMilliseconds of opening the model.
 * @property firstMilliseconds entry → its first run.
 */
class Measured(
    val target: Target,
    val loadMilliseconds: Double,
    val firstMilliseconds: Map<String, Double>,
    val parity: List<VectorResult>,
    val entries: Series,
    val frames: Series,
    val before: DeviceState,
    val after: DeviceState,
) {
    /** Why not to believe the numbers, by the rules of report/validity.py; empty when nothing speaks against them. */
    val reasons: List<String> =
        seriesReasons("entries", entries) + seriesReasons("frames", frames) + heat() + noInstance()

    private fun seriesReasons(
        kind: String,
        series: Series,
    ): List<String> {
        val spread = quarterSpread(series.steady())
        return listOfNotNull(
            "$kind: the median did not settle in the warm-up".takeIf { !series.isSettled },
            "$kind: out of time after ${series.steps.size} runs".takeIf { !series.isComplete },
            "$kind: unstable median, its quarters lie ${percent(spread)} apart".takeIf { spread > MAX_DRIFT },
        )
    }

    private fun heat(): List<String> {
        val drop = 1 - before.probeMilliseconds / after.probeMilliseconds
        val was = before.thermalStatus ?: 0
        val status = after.thermalStatus ?: 0
        return listOfNotNull(
            "the device was ${percent(drop)} slower after the run than before".takeIf { drop > MAX_DRIFT },
            "thermal status rose from $was to $status".takeIf { status >= THERMAL_LIGHT && status > was },
        )
    }

    private fun noInstance(): List<String> =
        listOfNotNull(
            "frames: no instance was found, so segment and masks were not run"
                .takeIf { frames.steps.all { it.instances == 0 } },
        )
}

private fun percent(share: Double): String = "${Math.round(100 * share)}%"

/** Largest over smallest median of the four quarters, minus 1; 0 for fewer than eight samples. */
internal fun quarterSpread(values: List<Double>): Double {
    if (values.size < 8) return 0.0
    val medians = (0 until 4).map { median(values.subList(values.size * it / 4, values.size * (it + 1) / 4)) }
    return if (medians.min() > 0) medians.max() / medians.min() - 1 else 0.0
}

/**
 * The report as JSON, for `mobilevis bench compare` and everything else that reads a run of the harness.
 *
 * @param created UTC, ISO 8601.
 * @param version of the app.
 * @param device of `describeDevice`.
 */
fun reportJson(
    created: String,
    version: String,
    device: Map<String, Any?>,
    setup: Setup,
    measured: Measured,
): String =
    writeJson(
        linkedMapOf(
            "schema" to REPORT_SCHEMA,
            "valid" to measured.reasons.isEmpty(),
            "created" to created,
            "harness" to mapOf("version" to version, "worker" to "org.mobilevis.app"),
            "command" to listOf("org.mobilevis.app"),
            "device" to device,
            "setup" to setupMap(setup),
            "artefacts" to listOf(artefactMap(measured)),
            "cpus_allowed" to null,
            "error" to null,
        ),
    ) + "\n"

private fun setupMap(setup: Setup): Map<String, Any?> =
    linkedMapOf(
        "cpus_asked" to "all",
        "cpus" to (0 until Runtime.getRuntime().availableProcessors()).toList(),
        "threads" to setup.threads,
        "protocol" to setup.protocol.toMap(),
        "interleaved" to false,
        "driver_options" to setup.options,
        "source" to setup.source,
    )

private fun artefactMap(measured: Measured): Map<String, Any?> =
    linkedMapOf(
        "name" to measured.target.name,
        "sha256" to measured.target.sha256,
        "is_baseline" to false,
        "facts" to facts(measured),
        "load_ms" to measured.loadMilliseconds,
        "first_ms" to measured.firstMilliseconds,
        "parity" to measured.parity.map(::parityMap),
        "workloads" to mapOf("entries" to seriesMap(measured.entries), "frames" to seriesMap(measured.frames)),
        "not_measured" to emptyMap<String, String>(),
        "before" to measured.before.toMap(),
        "after" to measured.after.toMap(),
        "readings" to emptyList<Any>(),
        "memory" to null,
        "profile" to null,
        "reasons" to measured.reasons,
    )

private fun facts(measured: Measured): Map<String, Any?> {
    val metadata = measured.target.metadata
    return linkedMapOf(
        "engine" to measured.target.engine,
        "threads" to measured.target.threads,
        "model" to metadata.model,
        "driver" to metadata.driver,
        "precision" to metadata.precision,
        "input_size" to listOf(metadata.inputSize.height, metadata.inputSize.width),
        "checkpoint_sha256" to metadata.checkpointSha256,
        "keyframe_interval" to metadata.options["keyframe_interval"],
    )
}

private fun parityMap(result: VectorResult): Map<String, Any> =
    linkedMapOf(
        "entry" to result.entry,
        "output" to result.output,
        "max_abs" to result.maxAbs,
        "relative_norm" to result.relativeNorm,
        "tolerance" to result.tolerance,
    )

private fun seriesMap(series: Series): Map<String, Any?> =
    linkedMapOf(
        "at_s" to series.atSeconds,
        "is_keyframe" to series.steps.map { it.isKeyframe },
        "instances" to series.steps.map { it.instances },
        "milliseconds" to series.stages.associateWith { stage -> series.steps.map { it.milliseconds[stage] } },
        "warm_up" to series.warmUp,
        "settled" to series.isSettled,
        "complete" to series.isComplete,
        "others_on_pinned_cores" to null,
        "others_anywhere" to null,
        "users" to emptyList<Any>(),
    )
