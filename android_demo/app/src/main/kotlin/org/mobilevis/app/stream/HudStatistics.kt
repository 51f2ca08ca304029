package org.mobilevis.app.stream

import org.mobilevis.core.FrameResult

/**
 * What the HUD shows.
 *
 * @property framesPerSecond results a second, over the last second; 0 before the second result.
 * @property milliseconds stage → mean over the same frames that have it.
 * @property isKeyframe of the last frame.
 * @property dropped share of the camera's frames that were not computed, in [0, 1].
 * @property objects in the last frame.
 */
data class HudFigures(
    val framesPerSecond: Double,
    val milliseconds: Map<String, Double>,
    val isKeyframe: Boolean,
    val dropped: Double,
    val objects: Int,
)

/** Gathers the figures of the last second. */
class HudStatistics(
    private val clock: () -> Long = System::nanoTime,
) {
    private class Sample(
        val atNanoseconds: Long,
        val milliseconds: Map<String, Double>,
        val dropped: Int,
    )

    private val samples = ArrayDeque<Sample>()

    /**
     * Adds a result.
     *
     * @param dropped frames that came since the result before and were not computed.
     */
    fun add(
        result: FrameResult,
        dropped: Int,
    ): HudFigures {
        val now = clock()
        samples.addLast(Sample(now, result.milliseconds, dropped))
        while (samples.size > 2 && now - samples.first().atNanoseconds > WINDOW_NANOSECONDS) samples.removeFirst()
        val span = now - samples.first().atNanoseconds
        val lost = samples.sumOf { it.dropped }
        val stages = samples.flatMapTo(LinkedHashSet()) { it.milliseconds.keys }
        return HudFigures(
            if (span > 0) (samples.size - 1) * NANOSECONDS_A_SECOND / span else 0.0,
            stages.associateWith { stage -> samples.mapNotNull { it.milliseconds[stage] }.average() },
            result.isKeyframe,
            lost.toDouble() / (lost + samples.size),
            result.instances.size,
        )
    }

    private companion object {
        const val NANOSECONDS_A_SECOND = 1e9
        const val WINDOW_NANOSECONDS = 1_000_000_000L
    }
}
