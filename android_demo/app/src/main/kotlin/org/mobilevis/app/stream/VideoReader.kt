package org.mobilevis.app.stream

import android.content.Context
import android.media.Image
import android.media.MediaCodec
import android.media.MediaCodecInfo.CodecCapabilities
import android.media.MediaExtractor
import android.media.MediaFormat
import android.net.Uri
import org.mobilevis.core.frame.Rotation
import java.io.IOException

/** How long to wait for the decoder, each time. */
private const val TIMEOUT_MICROSECONDS = 10_000L

/** A decoder that gives nothing for so many waits, three seconds, is stuck. */
private const val MOST_WAITS = 300

/**
 * A video file, decoded by the device into YUV images.
 *
 * @throws PacedSource.VideoException the file cannot be opened, has no video, or nothing here decodes it.
 */
class VideoReader(
    context: Context,
    uri: Uri,
) : PacedSource.FrameReader {
    private val extractor = MediaExtractor()
    private val codec: MediaCodec
    private val images: DecodedImages
    private val info = MediaCodec.BufferInfo()
    private var isInputDone = false

    init {
        var opened: MediaCodec? = null
        try {
            extractor.setDataSource(context, uri, null)
            val track = videoTrack() ?: throw PacedSource.VideoException()
            extractor.selectTrack(track)
            val format = extractor.getTrackFormat(track)
            val isFullRange = number(format, MediaFormat.KEY_COLOR_RANGE) == MediaFormat.COLOR_RANGE_FULL
            images = DecodedImages(isFullRange, Rotation.of(number(format, MediaFormat.KEY_ROTATION) ?: 0))
            format.setInteger(MediaFormat.KEY_COLOR_FORMAT, CodecCapabilities.COLOR_FormatYUV420Flexible)
            opened = MediaCodec.createDecoderByType(format.getString(MediaFormat.KEY_MIME).orEmpty())
            opened.configure(format, null, null, 0)
            opened.start()
            codec = opened
        } catch (error: IOException) {
            throw unreadable(opened, error)
        } catch (error: IllegalArgumentException) {
            throw unreadable(opened, error)
        } catch (error: IllegalStateException) {
            throw unreadable(opened, error)
        } catch (error: SecurityException) {
            throw unreadable(opened, error) // the permission for the file was taken back
        }
    }

    private fun unreadable(
        opened: MediaCodec?,
        cause: Exception,
    ): PacedSource.VideoException {
        opened?.release()
        extractor.release()
        return PacedSource.VideoException(cause)
    }

    private fun videoTrack(): Int? =
        (0 until extractor.trackCount).firstOrNull {
            extractor
                .getTrackFormat(it)
                .getString(MediaFormat.KEY_MIME)
                .orEmpty()
                .startsWith("video/")
        }

    override fun next(): PacedSource.TimedFrame? =
        try {
            decode()
        } catch (error: IllegalStateException) {
            // also MediaCodec.CodecException
            throw PacedSource.VideoException(error)
        }

    private fun decode(): PacedSource.TimedFrame? {
        repeat(MOST_WAITS) {
            feed()
            val index = codec.dequeueOutputBuffer(info, TIMEOUT_MICROSECONDS)
            if (index >= 0) {
                if (info.flags and MediaCodec.BUFFER_FLAG_END_OF_STREAM != 0) return null
                val image = codec.getOutputImage(index)
                if (image != null) return frame(image, index)
                codec.releaseOutputBuffer(index, false)
            }
        }
        throw PacedSource.VideoException()
    }

    private fun feed() {
        if (isInputDone) return
        val index = codec.dequeueInputBuffer(0)
        if (index < 0) return
        val buffer = codec.getInputBuffer(index) ?: throw PacedSource.VideoException()
        val size = extractor.readSampleData(buffer, 0)
        if (size < 0) {
            isInputDone = true
            codec.queueInputBuffer(index, 0, 0, 0, MediaCodec.BUFFER_FLAG_END_OF_STREAM)
        } else {
            codec.queueInputBuffer(index, 0, size, extractor.sampleTime, 0)
            extractor.advance()
        }
    }

    private fun frame(
        image: Image,
        index: Int,
    ): PacedSource.TimedFrame {
        val captured = images.copy(planes(image), image.height, image.width)
        codec.releaseOutputBuffer(index, false)
        return PacedSource.TimedFrame(info.presentationTimeUs, captured)
    }

    override fun close() {
        codec.release()
        extractor.release()
    }

    private companion object {
        /** An optional number of a format; `getInteger` with a default is API 29. */
        fun number(
            format: MediaFormat,
            key: String,
        ): Int? = if (format.containsKey(key)) format.getInteger(key) else null
    }
}
