package org.mobilevis.core.mask

import org.mobilevis.core.metadata.Size
import kotlin.math.exp
import kotlin.math.ln

/** The mask logit at which the sigmoid is [probability]. */
fun logit(probability: Double): Float = ln(probability / (1.0 - probability)).toFloat()

/** The probability of a logit. */
fun sigmoid(logit: Float): Double = 1.0 / (1.0 + exp(-logit.toDouble()))

/**
 * The mask logits of one object: a window into a plane of a network's output.
 *
 * @property values the output's values.
 * @property offset of the plane's first value.
 * @property rowStride values from a row to the next.
 * @property size rows and columns that are looked at.
 */
class LogitPlane(
    val values: FloatArray,
    val rowStride: Int,
    val size: Size,
    var offset: Int = 0,
) {
    /**
     * Mean foreground probability, SparseInst's rescoring factor; 0 without foreground.
     *
     * @param threshold logit above which a cell is foreground.
     */
    fun maskness(threshold: Float): Float {
        var sum = 0.0
        var count = 0
        for (row in 0 until size.height) {
            val from = offset + row * rowStride
            for (i in from until from + size.width) {
                if (values[i] > threshold) {
                    sum += sigmoid(values[i])
                    count++
                }
            }
        }
        return if (count == 0) 0f else (sum / count).toFloat()
    }

    /** The cells above [threshold] into [into], of this plane's size; returns their number. */
    fun threshold(
        threshold: Float,
        into: BitMask,
    ): Int {
        into.clear()
        var count = 0
        for (row in 0 until size.height) {
            val from = offset + row * rowStride
            for (column in 0 until size.width) {
                if (values[from + column] > threshold) {
                    into.set(row, column)
                    count++
                }
            }
        }
        return count
    }

    /** The tight box of the cells above [threshold], in cells; null without any. */
    fun foregroundBox(threshold: Float): Box? {
        var top = -1
        var bottom = -1
        var first = size.width
        var last = -1
        for (row in 0 until size.height) {
            val from = offset + row * rowStride
            for (column in 0 until size.width) {
                if (values[from + column] > threshold) {
                    if (top < 0) top = row
                    bottom = row
                    if (column < first) first = column
                    if (column > last) last = column
                }
            }
        }
        return if (top < 0) null else Box(first, top, last + 1, bottom + 1)
    }
}
