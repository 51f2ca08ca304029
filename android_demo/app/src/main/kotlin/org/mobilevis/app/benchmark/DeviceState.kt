package org.mobilevis.app.benchmark

import android.content.Context
import android.os.Build
import org.mobilevis.app.thermalStatus
import java.io.File

private const val CPU_ROOT = "/sys/devices/system/cpu"
private const val PROBE_REPEATS = 5
private const val PROBE_ITERATIONS = 2_000_000

/**
 * The device at one moment.
 *
 * @property atSeconds since the benchmark began.
 * @property thermalStatus `PowerManager`'s; null where it is not told.
 * @property frequenciesKhz CPU → current frequency; empty where an app may not read it.
 * @property probeMilliseconds of a fixed piece of work, which shows a clock that is hidden.
 */
class DeviceState(
    val atSeconds: Double,
    val thermalStatus: Int?,
    val frequenciesKhz: Map<String, Long>,
    val probeMilliseconds: Double,
) {
    /** As the harness writes it; what an app may not read is empty or null. */
    fun toMap(): Map<String, Any?> =
        linkedMapOf(
            "at_s" to atSeconds,
            "snapshot" to
                linkedMapOf(
                    "frequencies_khz" to frequenciesKhz,
                    "governors" to emptyMap<String, String>(),
                    "temperatures_c" to emptyMap<String, Double>(),
                    "thermal_status" to thermalStatus,
                    "battery" to null,
                    "load_average" to emptyList<Double>(),
                    "cpu_ticks" to emptyMap<String, List<Long>>(),
                ),
            "probe_ms" to probeMilliseconds,
        )
}

/** The state now; takes some milliseconds. */
fun readDeviceState(
    context: Context,
    atSeconds: Double,
): DeviceState = DeviceState(atSeconds, thermalStatus(context), frequencies(), probe())

private fun cpus(): IntRange = 0 until Runtime.getRuntime().availableProcessors()

private fun frequencies(): Map<String, Long> =
    cpus()
        .mapNotNull { cpu -> number("$CPU_ROOT/cpu$cpu/cpufreq/scaling_cur_freq")?.let { cpu.toString() to it } }
        .toMap()

private fun number(path: String): Long? {
    val file = File(path)
    return if (file.canRead()) file.readText().trim().toLongOrNull() else null
}

/** Milliseconds of a fixed piece of work, the best of some. */
private fun probe(): Double {
    var best = Long.MAX_VALUE
    var sum = 0
    repeat(PROBE_REPEATS) {
        val start = System.nanoTime()
        for (i in 0 until PROBE_ITERATIONS) sum = 31 * sum + i
        best = minOf(best, System.nanoTime() - start)
    }
    // The sum is looked at, so that no compiler leaves the loop out.
    return if (sum == 0) best / 1e6 + 1e-9 else best / 1e6
}

/** What the device is, under the harness's names. */
fun describeDevice(): Map<String, Any?> =
    linkedMapOf(
        "address" to "app:${Build.MODEL}",
        "machine" to System.getProperty("os.arch").orEmpty(),
        "kernel" to "Linux ${System.getProperty("os.version").orEmpty()}",
        "model" to "${Build.MANUFACTURER} ${Build.MODEL}",
        "ro.product.model" to Build.MODEL,
        "ro.build.fingerprint" to Build.FINGERPRINT,
        "clusters" to
            cpus()
                .groupBy { number("$CPU_ROOT/cpu$it/cpufreq/cpuinfo_max_freq") }
                .map { (khz, own) -> linkedMapOf("cpus" to own, "max_khz" to khz) },
    )
