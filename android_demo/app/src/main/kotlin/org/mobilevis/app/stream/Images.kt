package org.mobilevis.app.stream

import android.media.Image
import org.mobilevis.core.frame.Plane
import org.mobilevis.core.frame.Rotation
import org.mobilevis.core.frame.YuvFrame
import java.nio.Buffer
import java.nio.ByteBuffer
import java.util.concurrent.ConcurrentLinkedQueue

/** The planes of a YUV_420_888 image: luma, blue difference, red difference; they are the image's own memory. */
internal fun planes(image: Image): List<Plane> = image.planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }

/** A camera's image as a frame that reads the image's own memory. */
internal fun yuvFrame(
    image: Image,
    rotation: Rotation,
): YuvFrame {
    val (y, u, v) = planes(image)
    return YuvFrame(y, u, v, image.height, image.width, rotation)
}

/**
 * Copies a decoder's images in full range, as a [YuvFrame] takes them.
 *
 * Decoders give video range, luma 16 to 235 and chroma 16 to 240, and want their few buffers back at once.
 *
 * @param isFullRange the video says that it is so already.
 */
internal class DecodedImages(
    isFullRange: Boolean,
    private val rotation: Rotation,
) {
    private val luma = if (isFullRange) IDENTITY else table(low = 16, span = 219, centre = 0)
    private val chroma = if (isFullRange) IDENTITY else table(low = 128, span = 224, centre = 128)
    private val free = ConcurrentLinkedQueue<List<ByteBuffer>>()

    /** The frame of [height] × [width] pixels; its memory is used again once it is closed. */
    fun copy(
        planes: List<Plane>,
        height: Int,
        width: Int,
    ): CapturedFrame {
        val sizes = planes.map { it.buffer.limit() }
        val own = free.poll()?.takeIf { old -> old.map { it.capacity() } == sizes } ?: sizes.map(ByteBuffer::allocate)
        val (y, u, v) =
            planes.indices.map { i ->
                expand(planes[i].buffer, own[i].array(), if (i == 0) luma else chroma)
                Plane(own[i], planes[i].rowStride, planes[i].pixelStride)
            }
        return CapturedFrame(YuvFrame(y, u, v, height, width, rotation)) { free.add(own) }
    }

    private fun expand(
        from: ByteBuffer,
        into: ByteArray,
        table: ByteArray,
    ) {
        val bytes = from.duplicate()
        (bytes as Buffer).position(0) // ByteBuffer's own position() came with Android 9
        bytes.get(into)
        for (i in into.indices) into[i] = table[into[i].toInt() and 0xFF]
    }

    private companion object {
        val IDENTITY = ByteArray(256) { it.toByte() }

        fun table(
            low: Int,
            span: Int,
            centre: Int,
        ) = ByteArray(256) { (centre + Math.round((it - low) * 255.0 / span)).coerceIn(0, 255).toByte() }
    }
}
