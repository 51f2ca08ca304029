package org.mobilevis.core.frame

/**
 * Interleaved RGB, one byte a channel, as decoded pictures come.
 *
 * @param pixels at least height · [stride] bytes, the last row without its padding.
 * @param sourceHeight of the picture before it is turned.
 * @param sourceWidth likewise.
 * @param stride bytes from a row to the next.
 * @param rotation that makes it upright.
 * @throws IllegalArgumentException sides that are not positive, or fewer bytes than they need.
 */
class RgbFrame(
    private val pixels: ByteArray,
    sourceHeight: Int,
    sourceWidth: Int,
    private val stride: Int = 3 * sourceWidth,
    rotation: Rotation = Rotation.NONE,
) : Frame {
    override val height: Int = if (rotation.swapsSides) sourceWidth else sourceHeight
    override val width: Int = if (rotation.swapsSides) sourceHeight else sourceWidth
    private val walk = RowWalk(sourceHeight, sourceWidth, rotation)

    init {
        require(sourceHeight > 0 && sourceWidth > 0) { "a frame of ${sourceHeight}x$sourceWidth" }
        val needed = (sourceHeight - 1L) * stride + 3L * sourceWidth
        require(stride >= 3 * sourceWidth && pixels.size >= needed) {
            "${pixels.size} bytes for ${sourceHeight}x$sourceWidth RGB with $stride bytes a row"
        }
    }

    override fun readRow(
        y: Int,
        into: FloatArray,
    ) {
        walk.goTo(y)
        var at = walk.row * stride + 3 * walk.column
        val step = walk.rowStep * stride + 3 * walk.columnStep
        for (x in 0 until width) {
            into[x] = (pixels[at].toInt() and 0xFF).toFloat()
            into[width + x] = (pixels[at + 1].toInt() and 0xFF).toFloat()
            into[2 * width + x] = (pixels[at + 2].toInt() and 0xFF).toFloat()
            at += step
        }
    }
}
