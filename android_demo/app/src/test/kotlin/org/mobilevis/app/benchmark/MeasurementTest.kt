package org.mobilevis.app.benchmark

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class MeasurementTest {
    private var now = 0.0

    private fun run(
        protocol: Protocol,
        durations: Sequence<Double>,
    ): Series {
        val each = durations.iterator()
        return Measurement(protocol, { now }, { _, _ -> }).run("frame", restart = {}) {
            val seconds = each.next()
            now += seconds
            Step(mapOf("frame" to 1000 * seconds))
        }
    }

    @Test
    fun `it warms up until the median settles, then serves both minima`() {
        val slow = generateSequence(1.0) { it * 0.9 }.take(20)
        val series = run(Protocol(minRuns = 30, minSeconds = 2.0), slow + generateSequence { 0.05 })
        assertTrue(series.isSettled && series.isComplete)
        assertEquals(40, series.steps.size) // 2 s of 0.05 s
        assertTrue("${series.warmUp.size}", series.warmUp.size in 28..40)
    }

    @Test
    fun `a median that never settles is told`() {
        val growing = generateSequence(0.1) { it * 1.05 }
        val series = run(Protocol(minRuns = 1, minSeconds = 0.0, maxWarmupSeconds = 5.0), growing)
        assertFalse(series.isSettled)
    }

    @Test
    fun `time that is out is told`() {
        val series = run(Protocol(minRuns = 1000, maxSeconds = 20.0), generateSequence { 0.5 })
        assertFalse(series.isComplete)
        assertEquals(40, series.steps.size)
    }

    @Test
    fun `an interrupt ends it`() {
        Thread.currentThread().interrupt()
        assertThrows(InterruptedException::class.java) { run(Protocol(), generateSequence { 0.1 }) }
    }

    @Test
    fun `percentiles are NumPy's`() {
        val values = listOf(4.0, 1.0, 3.0, 2.0)
        assertEquals(2.5, percentile(values, 50.0), 1e-12)
        assertEquals(3.7, percentile(values, 90.0), 1e-12)
        assertEquals(7.0, median(listOf(7.0)), 0.0)
    }

    @Test
    fun `a drift shows in the quarters`() {
        assertEquals(0.0, quarterSpread(List(7) { it.toDouble() }), 0.0)
        assertEquals(0.5, quarterSpread(List(40) { if (it < 20) 2.0 else 3.0 }), 1e-9)
    }
}
