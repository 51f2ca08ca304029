package org.mobilevis.app.benchmark

import org.mobilevis.app.Background
import org.mobilevis.app.DemoApplication
import org.mobilevis.app.models.sha256
import org.mobilevis.app.models.sha256OfFiles
import org.mobilevis.app.settings.Settings
import org.mobilevis.app.stream.SAMPLE_FOLDER
import org.mobilevis.app.stream.readSample
import org.mobilevis.app.stream.sampleNames
import org.mobilevis.core.driver.MobileInstOptions
import java.time.Instant
import java.time.temporal.ChronoUnit
import java.util.concurrent.Future

/** A run of the benchmark; outlives the screen's turning. */
class BenchmarkWork(
    private val app: DemoApplication,
    private val protocol: Protocol,
) : AutoCloseable {
    /** How far it is; runs are null while it warms up. */
    class Progress(
        val phase: Phase,
        val runs: Int?,
        val seconds: Double,
    )

    private val background = Background()
    private var running: Future<*>? = null

    @Volatile
    private var toldAt = 0L

    /** Is told of each change. */
    var onChange: () -> Unit = {}

    /** Null when nothing runs, or nothing was measured yet. */
    var progress: Progress? = null
        private set

    /** The last result. */
    var measured: Measured? = null
        private set

    /** Why there is none. */
    var fault: Throwable? = null
        private set

    /** Whether it runs. */
    val isRunning: Boolean get() = running != null

    /** Begins to measure the chosen model. */
    fun start() {
        if (isRunning) return
        measured = null
        fault = null
        running =
            background.run(::measure) { result ->
                running = null
                progress = null
                // Stopped by the user: no result, and no fault either.
                result
                    .onSuccess { measured = it }
                    .onFailure { error -> fault = error.takeIf { it !is InterruptedException } }
                onChange()
            }
        onChange()
    }

    /** Ends it without a result. */
    fun stop() {
        running?.cancel(true)
    }

    private fun measure(): Measured {
        val settings = app.settings.read()
        val file = app.models.file(settings.model)
        val options = settings.toOptions()
        val names = sampleNames(app.assets)
        val benchmark =
            Benchmark(
                open = { app.load(file, settings.threads) },
                options,
                names.map { readSample(app.assets, it) },
                protocol,
                readState = { readDeviceState(app, it) },
                ::tell,
            )
        val result = benchmark.run(file.name, sha256(file))
        val clip = sha256OfFiles(names) { app.assets.open("$SAMPLE_FOLDER/$it") }
        val source = mapOf("name" to SAMPLE_FOLDER, "sha256" to clip)
        val setup = Setup(settings.threads, protocol, optionsMap(settings, options), source)
        val version =
            app.packageManager
                .getPackageInfo(app.packageName, 0)
                .versionName
                .orEmpty()
        val created = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()
        val json = reportJson(created, version, describeDevice(), setup, result)
        ReportProvider.writeReport(app, json)
        return result
    }

    /** Twice a second at most: the screen is drawn by the device that is measured. */
    private fun tell(
        phase: Phase,
        runs: Int?,
        seconds: Double,
    ) {
        val now = System.nanoTime()
        if (now - toldAt < QUIET_NANOSECONDS) return
        toldAt = now
        background.post {
            progress = Progress(phase, runs, seconds)
            onChange()
        }
    }

    override fun close() = background.close()

    private companion object {
        const val QUIET_NANOSECONDS = 500_000_000L

        /** Options under the names that `--option` of `mobilevis bench latency` takes. */
        fun optionsMap(
            settings: Settings,
            options: MobileInstOptions,
        ): Map<String, Any?> =
            linkedMapOf<String, Any?>("score_threshold" to options.scoreThreshold).also { map ->
                settings.association?.let { map["association"] = it.word }
                settings.keyframeInterval?.let { map["keyframe_interval"] = it }
            }
    }
}
