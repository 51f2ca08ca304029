package org.mobilevis.app.stream

import android.graphics.ImageFormat
import android.media.Image
import java.nio.ByteBuffer

/**
 * A grey image as a camera or a decoder gives it: 4:2:0 planes, without padding.
 *
 * @param value of each byte of luma.
 */
class FakeImage(
    private val rows: Int,
    private val columns: Int,
    private val value: Int = 128,
) : Image() {
    /** Times that it was closed. */
    @Volatile
    var closes = 0
        private set

    override fun getFormat() = ImageFormat.YUV_420_888

    override fun getHeight() = rows

    override fun getWidth() = columns

    override fun getTimestamp() = 0L

    override fun getTransform() = 0

    override fun getScalingMode() = 0

    override fun getPlanes(): Array<Plane> =
        arrayOf(
            FakePlane(rows, columns, value),
            FakePlane(rows / 2, columns / 2, NEUTRAL),
            FakePlane(rows / 2, columns / 2, NEUTRAL),
        )

    override fun close() {
        closes++
    }

    private class FakePlane(
        rows: Int,
        private val columns: Int,
        value: Int,
    ) : Plane() {
        private val bytes = ByteBuffer.wrap(ByteArray(rows * columns) { value.toByte() })

        override fun getRowStride() = columns

        override fun getPixelStride() = 1

        override fun getBuffer(): ByteBuffer = bytes
    }

    private companion object {
        const val NEUTRAL = 128
    }
}
