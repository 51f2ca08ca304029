package org.mobilevis.app.stream

import org.junit.Assert.assertEquals
import org.junit.Test
import org.mobilevis.core.FrameResult
import org.mobilevis.core.metadata.Size

class HudStatisticsTest {
    private var now = 0L
    private val statistics = HudStatistics { now }

    private fun add(
        milliseconds: Long,
        dropped: Int = 0,
        stages: Map<String, Double> = mapOf("frame" to 10.0),
    ): HudFigures {
        now += milliseconds * 1_000_000
        return statistics.add(FrameResult(0, Size(2, 2), emptyList(), isKeyframe = true, stages), dropped)
    }

    @Test
    fun `the first frame has no rate yet`() {
        assertEquals(0.0, add(0).framesPerSecond, 0.0)
    }

    @Test
    fun `the rate is that of the last second`() {
        repeat(50) { add(100) }
        assertEquals(10.0, add(100).framesPerSecond, 1e-9)
        repeat(50) { add(50) }
        assertEquals(20.0, add(50).framesPerSecond, 1e-9)
    }

    @Test
    fun `frames slower than a second still have a rate`() {
        repeat(3) { add(4000) }
        assertEquals(0.25, add(4000).framesPerSecond, 1e-9)
    }

    @Test
    fun `a stage that only keyframes have is the mean over these`() {
        add(100, stages = mapOf("frame" to 30.0, "decode" to 12.0))
        val figures = add(100, stages = mapOf("frame" to 10.0))
        assertEquals(mapOf("frame" to 20.0, "decode" to 12.0), figures.milliseconds)
    }

    @Test
    fun `dropped frames are a share of all`() {
        add(100)
        assertEquals(0.6, add(100, dropped = 3).dropped, 1e-9)
    }
}
