package org.mobilevis.app.stream

import android.media.Image
import android.media.MediaCodec
import android.media.MediaFormat
import android.net.Uri
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.testApp
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.shadows.ShadowMediaCodec
import org.robolectric.shadows.ShadowMediaExtractor
import org.robolectric.shadows.util.DataSource
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit.SECONDS

@RunWith(RobolectricTestRunner::class)
@Config(shadows = [VideoReaderTest.Decoder::class])
class VideoReaderTest {
    /** Robolectric's decoder, which hands bytes on, with an image for each of its buffers. */
    @Implements(MediaCodec::class)
    class Decoder : ShadowMediaCodec() {
        @Implementation
        fun getOutputImage(index: Int): Image? {
            if (fails) throw IllegalStateException("the decoder failed at $index")
            return FakeImage(72, 128, value = 16)
        }

        @Implementation
        fun release() {
            releases++
        }

        companion object {
            var fails = false
            var releases = 0
        }
    }

    private val uri = Uri.parse("content://videos/one")

    @Before
    fun reset() {
        Decoder.fails = false
        Decoder.releases = 0
    }

    private fun addTrack(
        mime: String,
        change: MediaFormat.() -> Unit = {},
    ) {
        val format =
            if (mime.startsWith("video/")) {
                MediaFormat.createVideoFormat(mime, 128, 72)
            } else {
                MediaFormat.createAudioFormat(mime, 44_100, 2)
            }
        ShadowMediaExtractor.addTrack(
            DataSource.toDataSource(testApp, uri, null),
            format.apply(change),
            ByteArray(3000),
        )
    }

    private fun open() = VideoReader(testApp, uri)

    private fun luma(captured: CapturedFrame): Int =
        FloatArray(3 * captured.frame.width).also { captured.frame.readRow(0, it) }[0].toInt()

    @Test
    fun `a video is decoded from its first frame to its end`() {
        addTrack("audio/mp4a-latm")
        addTrack("video/avc")
        open().use { reader ->
            val frames = generateSequence { reader.next() }.toList()
            assertEquals(
                72 to 128,
                frames
                    .first()
                    .captured.frame
                    .let { it.height to it.width },
            )
            assertEquals(0, luma(frames.first().captured))
        }
        assertEquals(1, Decoder.releases)
    }

    @Test
    fun `the file's rotation makes the picture upright`() {
        addTrack("video/avc") { setInteger(MediaFormat.KEY_ROTATION, 90) }
        open().use {
            assertEquals(
                128 to 72,
                it
                    .next()!!
                    .captured.frame
                    .let { frame -> frame.height to frame.width },
            )
        }
    }

    @Test
    fun `a file of full range keeps its greys`() {
        addTrack("video/avc") { setInteger(MediaFormat.KEY_COLOR_RANGE, MediaFormat.COLOR_RANGE_FULL) }
        open().use { assertEquals(16, luma(it.next()!!.captured)) }
    }

    @Test
    fun `a file without a video track is refused`() {
        addTrack("audio/mp4a-latm")
        assertThrows(PacedSource.VideoException::class.java) { open() }
    }

    @Test
    fun `a rotation that is no quarter turn is refused`() {
        addTrack("video/avc") { setInteger(MediaFormat.KEY_ROTATION, 45) }
        assertThrows(PacedSource.VideoException::class.java) { open() }
    }

    @Test
    fun `a file that is gone is refused`() {
        assertThrows(PacedSource.VideoException::class.java) { open() }
    }

    @Test
    fun `a decoder that fails on the way ends the source with a fault, and is freed`() {
        addTrack("video/avc")
        Decoder.fails = true
        val faults = LinkedBlockingQueue<SourceFault>()
        val source = PacedSource("video") { open() }
        source.start({ throw AssertionError() }, { faults += it })
        assertEquals(SourceFault.VIDEO_UNREADABLE, faults.poll(30, SECONDS))
        assertEquals(1, Decoder.releases)
    }

    @Test
    fun `a video that ended begins again until its source is closed`() {
        addTrack("video/avc")
        val frames = CopyOnWriteArrayList<Int>()
        val source = PacedSource("video") { open() }
        source.start({ frames += it.frame.width }, { throw AssertionError(it) })
        org.mobilevis.app.waitUntil("a second round") { Decoder.releases >= 1 && frames.size >= 2 }
        source.close()
    }
}
