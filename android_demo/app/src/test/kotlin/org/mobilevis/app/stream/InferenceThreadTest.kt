package org.mobilevis.app.stream

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.mobilevis.app.ColourEngine
import org.mobilevis.core.FrameResult
import org.mobilevis.core.UserError
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.metadata.Metadata
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit.MILLISECONDS
import java.util.concurrent.TimeUnit.SECONDS
import java.util.concurrent.atomic.AtomicInteger

class InferenceThreadTest {
    private class Told : InferenceThread.Listener {
        val events = LinkedBlockingQueue<Any>()
        val mayGoOn = Semaphore(1000)

        override fun onLoaded(metadata: Metadata) {
            events += "loaded"
        }

        override fun onResult(
            frame: Frame,
            result: FrameResult,
            dropped: Int,
        ) {
            mayGoOn.acquire()
            events += result.frameIndex to dropped
        }

        override fun onFault(fault: Throwable) {
            events += fault
        }

        fun next(): Any = checkNotNull(events.poll(60, SECONDS)) { "nothing was told" }
    }

    private val told = Told()
    private val closed = AtomicInteger()
    private val engine = ColourEngine()

    private fun frame(
        height: Int = 90,
        width: Int = 160,
    ) = CapturedFrame(RgbFrame(ByteArray(height * width * 3), height, width)) { closed.incrementAndGet() }

    private fun start(load: () -> Engine = { engine }): InferenceThread =
        InferenceThread(load, MobileInstOptions(), told)

    /** Offers until the thread is idle enough to take one. */
    private fun InferenceThread.give(
        video: Any,
        captured: () -> CapturedFrame = { frame() },
    ): Any {
        while (true) {
            offer(captured(), video)
            return told.events.poll(100, MILLISECONDS) ?: continue
        }
    }

    @Test
    fun `frames that come meanwhile are dropped and closed, not queued`() {
        start().use { thread ->
            assertEquals("loaded", told.next())
            told.mayGoOn.drainPermits()
            while (engine.frames == 0) thread.offer(frame(), "video")
            val before = closed.get()
            repeat(5) { thread.offer(frame(), "video") }
            assertEquals(before + 5, closed.get())
            told.mayGoOn.release(1000)
            val (index, dropped) = told.next() as Pair<*, *>
            assertEquals(0, index)
            // Counted up to the moment the result was there, which may be before this thread saw the frame begin.
            assertTrue("$dropped", dropped as Int <= before + 5)
            assertEquals(1, engine.frames)
        }
    }

    @Test
    fun `each video begins with frame 0`() {
        start().use { thread ->
            assertEquals("loaded", told.next())
            assertEquals(0, (thread.give("one") as Pair<*, *>).first)
            assertEquals(1, (thread.give("one") as Pair<*, *>).first)
            assertEquals(0, (thread.give("two") { frame(160, 90) } as Pair<*, *>).first)
        }
    }

    @Test
    fun `a model that cannot be opened is told once`() {
        val fault = UserError("broken")
        start { throw fault }.use { thread ->
            assertEquals(fault, told.next())
            thread.offer(frame(), "video")
            assertEquals(1, closed.get())
        }
    }

    @Test
    fun `after the end the model is closed and frames are given back`() {
        val thread = start()
        assertEquals("loaded", told.next())
        thread.close()
        thread.close()
        thread.offer(frame(), "video")
        assertEquals(1, closed.get())
        val deadline = System.nanoTime() + 10_000_000_000L
        while (engine.releases == 0 && System.nanoTime() < deadline) Thread.sleep(5)
        assertEquals(1, engine.releases)
        assertTrue(told.events.isEmpty())
    }
}
