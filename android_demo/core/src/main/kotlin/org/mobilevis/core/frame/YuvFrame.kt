package org.mobilevis.core.frame

import org.mobilevis.core.startingAt
import java.nio.ByteBuffer

/**
 * One plane of a YUV_420_888 image.
 *
 * @property buffer the bytes, read from index 0 on by absolute position.
 * @property rowStride bytes from a row to the next.
 * @property pixelStride bytes from a sample to the next in its row: 1 planar, 2 where U and V share their rows.
 */
class Plane(
    val buffer: ByteBuffer,
    val rowStride: Int,
    val pixelStride: Int,
)

/**
 * A camera's YUV_420_888 image: full luma, chroma at half height and half width (rounded up), ITU-R BT.601 in full
 * range (JFIF), which is the data space of this format on Android.
 *
 * @param y luma.
 * @param u blue difference.
 * @param v red difference.
 * @param sourceHeight of the sensor's picture.
 * @param sourceWidth likewise.
 * @param rotation that makes it upright.
 * @throws IllegalArgumentException sides that are not positive, or a plane with fewer bytes than they need.
 */
class YuvFrame(
    private val y: Plane,
    private val u: Plane,
    private val v: Plane,
    sourceHeight: Int,
    sourceWidth: Int,
    rotation: Rotation = Rotation.NONE,
) : Frame {
    override val height: Int = if (rotation.swapsSides) sourceWidth else sourceHeight
    override val width: Int = if (rotation.swapsSides) sourceHeight else sourceWidth
    private val walk = RowWalk(sourceHeight, sourceWidth, rotation)

    init {
        require(sourceHeight > 0 && sourceWidth > 0) { "a frame of ${sourceHeight}x$sourceWidth" }
        checkPlane("Y", y, sourceHeight, sourceWidth)
        checkPlane("U", u, (sourceHeight + 1) / 2, (sourceWidth + 1) / 2)
        checkPlane("V", v, (sourceHeight + 1) / 2, (sourceWidth + 1) / 2)
    }

    private val upperLuma = PlaneRow(y, 0, width)
    private val lowerLuma = PlaneRow(y, 0, width)
    private val blues = PlaneRow(u, 1, width / 2)
    private val reds = PlaneRow(v, 1, width / 2)

    override fun readRow(
        y: Int,
        into: FloatArray,
    ) {
        walk.goTo(y)
        var row = walk.row
        var column = walk.column
        for (x in 0 until width) {
            val blue = sample(u, row shr 1, column shr 1) - NEUTRAL
            val red = sample(v, row shr 1, column shr 1) - NEUTRAL
            convert(sample(this.y, row, column), blue, red, 0, into, x, width)
            row += walk.rowStep
            column += walk.columnStep
        }
    }

    /** The four pixels share their chroma, so one conversion of their mean luma is enough. */
    override fun readHalfRow(
        y: Int,
        into: FloatArray,
    ) {
        walk.goTo(2 * y + 1)
        lowerLuma.read(walk)
        walk.goTo(2 * y)
        upperLuma.read(walk)
        blues.read(walk)
        reds.read(walk)
        val half = width / 2
        for (x in 0 until half) {
            val above = upperLuma.get(2 * x) + upperLuma.get(2 * x + 1)
            val below = lowerLuma.get(2 * x) + lowerLuma.get(2 * x + 1)
            convert(above + below, 4 * (blues.get(x) - NEUTRAL), 4 * (reds.get(x) - NEUTRAL), 2, into, x, half)
        }
    }

    private companion object {
        // BT.601: 1.402, 0.344136, 0.714136 and 1.772 times 2^16.
        const val SHIFT = 16
        const val RED_OF_V = 91881
        const val GREEN_OF_U = 22554
        const val GREEN_OF_V = 46802
        const val BLUE_OF_U = 116130

        const val NEUTRAL = 128

        fun sample(
            plane: Plane,
            row: Int,
            column: Int,
        ): Int = byte(plane, row * plane.rowStride + column * plane.pixelStride)

        fun byte(
            plane: Plane,
            at: Int,
        ): Int = plane.buffer.get(at).toInt() and 0xFF

        /** Writes pixel [x] of a row of [width]; luma and chroma are those of 2^[more] pixels added up. */
        fun convert(
            luma: Int,
            blue: Int,
            red: Int,
            more: Int,
            into: FloatArray,
            x: Int,
            width: Int,
        ) {
            val scaled = (luma shl SHIFT) + (1 shl SHIFT + more - 1)
            into[x] = clamp(scaled + RED_OF_V * red shr SHIFT + more)
            into[width + x] = clamp(scaled - GREEN_OF_U * blue - GREEN_OF_V * red shr SHIFT + more)
            into[2 * width + x] = clamp(scaled + BLUE_OF_U * blue shr SHIFT + more)
        }

        fun clamp(value: Int): Float = maxOf(0, minOf(value, 255)).toFloat()

        fun checkPlane(
            name: String,
            plane: Plane,
            rows: Int,
            columns: Int,
        ) {
            val needed = (rows - 1L) * plane.rowStride + (columns - 1L) * plane.pixelStride + 1
            require(plane.rowStride > 0 && plane.pixelStride > 0 && plane.buffer.limit() >= needed) {
                "plane $name has ${plane.buffer.limit()} bytes, ${rows}x$columns with strides " +
                    "${plane.rowStride} and ${plane.pixelStride} need $needed"
            }
        }
    }
}

/** An upright row of a plane with a sample for each 2^[shrink] pixels, in an array: direct buffers are read slowly. */
private class PlaneRow(
    private val plane: Plane,
    private val shrink: Int,
    count: Int,
) {
    private val buffer = plane.buffer.duplicate()
    private val samples = ByteArray(count)

    fun read(walk: RowWalk) {
        val step = walk.rowStep * plane.rowStride + walk.columnStep * plane.pixelStride
        var at = (walk.row shr shrink) * plane.rowStride + (walk.column shr shrink) * plane.pixelStride
        if (step == 1) {
            buffer.startingAt(at).get(samples)
            return
        }
        for (i in samples.indices) {
            samples[i] = buffer.get(at)
            at += step
        }
    }

    fun get(index: Int): Int = samples[index].toInt() and 0xFF
}
