package org.mobilevis.app.stream

import android.util.Size
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.testApp
import org.mobilevis.core.frame.Plane
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.frame.Rotation
import org.robolectric.RobolectricTestRunner
import java.nio.ByteBuffer
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit.SECONDS

@RunWith(RobolectricTestRunner::class)
class SourcesTest {
    @Test
    fun `the picture is upright however the device is held`() {
        // A back camera at 90 degrees: upright portrait needs a quarter turn, landscape to the left none.
        assertEquals(90, uprightDegrees(sensor = 90, display = 0, isFront = false))
        assertEquals(0, uprightDegrees(sensor = 90, display = 90, isFront = false))
        assertEquals(180, uprightDegrees(sensor = 90, display = 270, isFront = false))
        assertEquals(270, uprightDegrees(sensor = 270, display = 0, isFront = true))
        assertEquals(0, uprightDegrees(sensor = 270, display = 90, isFront = true))
    }

    @Test
    fun `the largest size within 720p is taken`() {
        val sizes = listOf(Size(4000, 3000), Size(1280, 720), Size(1920, 1080), Size(640, 480))
        assertEquals(Size(1280, 720), chooseSize(sizes))
        assertEquals(Size(1920, 1080), chooseSize(listOf(Size(4000, 3000), Size(1920, 1080))))
        assertEquals(null, chooseSize(emptyList()))
    }

    @Test
    fun `the sample is a clip of sixteen pictures of one size`() {
        val reader = SampleReader(testApp.assets)
        val frames = generateSequence { reader.next() }.toList()
        assertEquals(16, frames.size)
        assertEquals(setOf(270 to 480), frames.map { it.captured.frame.height to it.captured.frame.width }.toSet())
        assertEquals(250_000L, frames[1].microseconds)
    }

    @Test
    fun `a paced source shows each picture at its time and begins again`() {
        val delivered = LinkedBlockingQueue<Long>()
        val start = System.nanoTime()
        val source = PacedSource("test") { Reader(3, 40_000L) }
        source.start({ delivered += (System.nanoTime() - start) / 1_000_000 }, { throw AssertionError(it) })
        val times = List(5) { delivered.poll(30, SECONDS)!! }
        source.close()
        assertTrue("$times", times[2] >= 80 && times[4] >= 120)
    }

    @Test
    fun `a video without a frame is a fault, not an endless loop`() {
        val faults = LinkedBlockingQueue<SourceFault>()
        PacedSource("test") { Reader(0, 1L) }.start({ throw AssertionError() }, { faults += it })
        assertEquals(SourceFault.VIDEO_UNREADABLE, faults.poll(30, SECONDS))
    }

    @Test
    fun `a video that is too large for the memory is a fault, not the app's end`() {
        val faults = LinkedBlockingQueue<SourceFault>()
        PacedSource("test") { throw OutOfMemoryError() }.start({ throw AssertionError() }, { faults += it })
        assertEquals(SourceFault.LOW_MEMORY, faults.poll(30, SECONDS))
    }

    private class Reader(
        private val count: Int,
        private val step: Long,
    ) : PacedSource.FrameReader {
        private var index = 0

        override fun next(): PacedSource.TimedFrame? {
            if (index == count) return null
            val frame = RgbFrame(ByteArray(12), 2, 2)
            return PacedSource.TimedFrame(index++ * step, CapturedFrame(frame))
        }

        override fun close() = Unit
    }

    private fun gray(
        value: Int,
        isFullRange: Boolean,
    ): Int {
        val y = Plane(ByteBuffer.wrap(ByteArray(4) { value.toByte() }), 2, 1)
        val neutral = Plane(ByteBuffer.wrap(byteArrayOf(-128)), 1, 1)
        val line = FloatArray(6)
        DecodedImages(isFullRange, Rotation.NONE).copy(listOf(y, neutral, neutral), 2, 2).frame.readRow(0, line)
        assertEquals(setOf(line[0]), line.toSet())
        return line[0].toInt()
    }

    @Test
    fun `video range is spread to full range, full range is kept`() {
        assertEquals(listOf(0, 0, 255, 255), listOf(0, 16, 235, 255).map { gray(it, isFullRange = false) })
        assertEquals(listOf(0, 16, 235, 255), listOf(0, 16, 235, 255).map { gray(it, isFullRange = true) })
    }

    @Test
    fun `frames that are still open keep their memory`() {
        val images = DecodedImages(isFullRange = true, Rotation.NONE)
        val planes = { value: Byte -> List(3) { Plane(ByteBuffer.wrap(ByteArray(4) { value }), 2, 1) } }
        val first = images.copy(planes(10), 2, 2)
        val before = FloatArray(6).also { first.frame.readRow(0, it) }.toList()
        images.copy(planes(90), 2, 2)
        assertEquals(before, FloatArray(6).also { first.frame.readRow(0, it) }.toList())
    }

    @Test
    fun `a large frame is shown at half its size`() {
        val rgb = ByteArray(720 * 1280 * 3) { (it % 3 * 100).toByte() }
        val preview =
            PreviewPixels(
                org.mobilevis.core.metadata
                    .Size(720, 1280),
            )
        preview.read(RgbFrame(rgb, 720, 1280))
        assertEquals(
            org.mobilevis.core.metadata
                .Size(360, 640),
            preview.size,
        )
        assertEquals(setOf(0xFF0064C8.toInt()), preview.argb.toSet())
    }
}
