package org.mobilevis.core.frame

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

    override fun readRow(
        y: Int,
        into: FloatArray,
    ) {
        walk.goTo(y)
        var row = walk.row
        var column = walk.column
        for (x in 0 until width) {
            val luma = sample(this.y, row, column)
            val blue = sample(u, row shr 1, column shr 1) - 128
            val red = sample(v, row shr 1, column shr 1) - 128
            into[x] = clamp((luma shl SHIFT) + RED_OF_V * red)
            into[width + x] = clamp((luma shl SHIFT) - GREEN_OF_U * blue - GREEN_OF_V * red)
            into[2 * width + x] = clamp((luma shl SHIFT) + BLUE_OF_U * blue)
            row += walk.rowStep
            column += walk.columnStep
        }
    }

    private companion object {
        // BT.601: 1.402, 0.344136, 0.714136 and 1.772 times 2^16.
        const val SHIFT = 16
        const val RED_OF_V = 91881
        const val GREEN_OF_U = 22554
        const val GREEN_OF_V = 46802
        const val BLUE_OF_U = 116130

        fun sample(
            plane: Plane,
            row: Int,
            column: Int,
        ): Int = plane.buffer.get(row * plane.rowStride + column * plane.pixelStride).toInt() and 0xFF

        fun clamp(value: Int): Float = ((value + (1 shl SHIFT - 1)) shr SHIFT).coerceIn(0, 255).toFloat()

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
