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
            into[x] = byte(at).toFloat()
            into[width + x] = byte(at + 1).toFloat()
            into[2 * width + x] = byte(at + 2).toFloat()
            at += step
        }
    }

    override fun readHalfRow(
        y: Int,
        into: FloatArray,
    ) {
        walk.goTo(2 * y + 1)
        val lower = walk.row * stride + 3 * walk.column
        walk.goTo(2 * y)
        var at = walk.row * stride + 3 * walk.column
        val below = lower - at
        val step = walk.rowStep * stride + 3 * walk.columnStep
        val half = width / 2
        for (x in 0 until half) {
            into[x] = mean(at, step, below)
            into[half + x] = mean(at + 1, step, below)
            into[2 * half + x] = mean(at + 2, step, below)
            at += 2 * step
        }
    }

    private fun mean(
        at: Int,
        right: Int,
        below: Int,
    ): Float = ((byte(at) + byte(at + right) + byte(at + below) + byte(at + below + right) + 2) shr 2).toFloat()

    private fun byte(at: Int): Int = pixels[at].toInt() and 0xFF
}
