package org.mobilevis.core.association

import org.mobilevis.core.mask.sigmoid

/**
 * What the mask features show under a mask, beyond what they show on average.
 *
 * @param channels C of the mask features.
 * @param height of the mask features.
 * @param width of the mask features.
 * @param ratio mask cells for each feature cell, down and across alike.
 */
class AppearancePooling(
    private val channels: Int,
    private val height: Int,
    private val width: Int,
    private val ratio: Int,
) {
    private val mean = FloatArray(channels)
    private val cells = IntArray(height * width)
    private val weights = FloatArray(height * width)
    private var cellCount = 0

    /**
     * Take a frame's mask features for the masks that follow.
     *
     * @param features (C, height, width), kept until the next frame.
     */
    fun begin(features: FloatArray) {
        val size = height * width
        for (channel in 0 until channels) {
            var sum = 0.0
            for (i in channel * size until (channel + 1) * size) sum += features[i]
            mean[channel] = (sum / size).toFloat()
        }
    }

    /**
     * The appearance under one mask: the mean over the foreground, weighted by its probability, less the frame's
     * mean; 0 for a mask without foreground.
     *
     * @param features as for [begin].
     * @param logits (ratio · height, ratio · width) from [offset] on.
     * @param threshold logit above which a cell is foreground.
     * @param into C values go here, from [to] on.
     */
    fun pool(
        features: FloatArray,
        logits: FloatArray,
        offset: Int,
        threshold: Float,
        into: FloatArray,
        to: Int,
    ) {
        val total = weigh(logits, offset, threshold)
        for (channel in 0 until channels) {
            val from = channel * height * width
            var sum = 0.0
            for (i in 0 until cellCount) sum += weights[i] * features[from + cells[i]]
            into[to + channel] = if (total > 0.0) (sum / total).toFloat() - mean[channel] else 0f
        }
    }

    private fun weigh(
        logits: FloatArray,
        offset: Int,
        threshold: Float,
    ): Double {
        var total = 0.0
        cellCount = 0
        for (row in 0 until height) {
            for (column in 0 until width) {
                val weight = weightOf(logits, offset + ratio * (row * ratio * width + column), threshold)
                if (weight == 0.0) continue
                cells[cellCount] = row * width + column
                weights[cellCount++] = weight.toFloat()
                total += weight
            }
        }
        return total
    }

    private fun weightOf(
        logits: FloatArray,
        corner: Int,
        threshold: Float,
    ): Double {
        var sum = 0.0
        for (y in 0 until ratio) {
            val from = corner + y * ratio * width
            for (i in from until from + ratio) if (logits[i] > threshold) sum += sigmoid(logits[i])
        }
        return sum
    }
}
