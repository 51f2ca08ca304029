package org.mobilevis.core.driver

import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Size
import kotlin.math.sqrt

/**
 * How many keyframes a video may have.
 *
 * @property interval T ≥ 1, frames for each keyframe on average at least.
 * @param longestInterval see [longest].
 * @property shortest frames from a keyframe to the next at least.
 * @throws IllegalArgumentException the shortest interval is longer than the longest one.
 */
internal class KeyframeBudget(
    val interval: Int,
    longestInterval: Int,
    val shortest: Int,
) {
    /** Frames after which a keyframe comes in any case: those asked for, or 2T if that is more. */
    val longest = maxOf(longestInterval.toLong(), 2L * interval)

    init {
        require(shortest <= longest) { "shortest_interval is $shortest, the longest interval $longest" }
    }
}

/**
 * Keyframes when they are needed: features that have moved on from the last keyframe's; ours. `runtime/drift.py` says
 * how, and where the constants are from.
 *
 * @param grid which cells are looked at.
 */
internal class DriftKeyframes(
    private val budget: KeyframeBudget,
    private val grid: CellGrid,
) : Keyframes {
    override val readsFeatures = true
    private val interval = budget.interval

    /** Frames since the last keyframe: the first frame is one. */
    private var age = budget.longest

    /** Frames' worth of keyframes not spent; a keyframe costs T. */
    private var saved = interval - 1L
    private var clock = 0.0

    /** (D, n) each: this frame's cells and the last keyframe's. */
    private val cells = DoubleArray(grid.size)
    private val keyframe = DoubleArray(grid.size)
    private var hasKeyframe = false
    private var spread = 0.0

    override fun watch(features: Tensor) {
        if (hasKeyframe) {
            grid.sample(features, cells)
            clock += rateMotion(movedShare())
        } else {
            grid.sample(features, keyframe)
            spread = findSpread()
            hasKeyframe = true
        }
    }

    override fun decide(features: Tensor?): Boolean {
        features?.let(::watch)
        age += 1
        saved = minOf(saved + 1, SAVED_INTERVALS * interval)
        if (!isDue()) return false
        age = 0L
        saved -= interval
        clock = 0.0
        hasKeyframe = false
        features?.let(::watch)
        return true
    }

    private fun isDue(): Boolean {
        if (saved < interval || age < budget.shortest) return false
        // Who has saved m keyframes need not wait T frames that move but T / m.
        return age >= budget.longest || clock * saved >= interval.toDouble() * interval
    }

    /** Root mean square distance of the keyframe's cells' features from their mean. */
    private fun findSpread(): Double {
        var sum = 0.0
        for (from in keyframe.indices step grid.cells) {
            var mean = 0.0
            for (i in from until from + grid.cells) mean += keyframe[i]
            mean /= grid.cells
            for (i in from until from + grid.cells) sum += (keyframe[i] - mean) * (keyframe[i] - mean)
        }
        return sqrt(sum / grid.cells)
    }

    /** Which part of the cells has other features than on the keyframe, in [0, 1]. */
    private fun movedShare(): Double {
        val least = (MOVED * spread) * (MOVED * spread)
        val moved =
            (0 until grid.cells).count { cell ->
                var distance = 0.0
                for (i in cell until cells.size step grid.cells) {
                    distance += (cells[i] - keyframe[i]) * (cells[i] - keyframe[i])
                }
                distance > least
            }
        return moved.toDouble() / grid.cells
    }

    private companion object {
        const val MOVED = 0.8
        const val STILL_SHARE = 0.01
        const val MOVING_SHARE = 0.03
        const val SAVED_INTERVALS = 4L

        /** How much a frame of which this share of cells moved counts, in [0, 1]. */
        fun rateMotion(share: Double) = ((share - STILL_SHARE) / (MOVING_SHARE - STILL_SHARE)).coerceIn(0.0, 1.0)
    }
}

/**
 * Cells of the mask features on a coarse grid.
 *
 * @param shape (1, D, h, w) of the features.
 * @param channels of them that say what, not where; the first ones.
 * @param content rows and columns without the input's padding.
 */
internal class CellGrid(
    private val shape: List<Int>,
    private val channels: Int,
    private val content: Size,
) {
    private val step = maxOf(1, maxOf(content.height, content.width) / LONGER_SIDE)

    /** How many cells there are. */
    val cells = count(content.height) * count(content.width)

    /** How many numbers there are. */
    val size = channels * cells

    /** Copies the features of the cells into [into], (channels, cells). */
    fun sample(
        features: Tensor,
        into: DoubleArray,
    ) {
        var at = 0
        for (channel in 0 until channels) {
            for (row in 0 until content.height step step) {
                val line = (channel * shape[2] + row) * shape[3]
                for (column in 0 until content.width step step) {
                    into[at++] = features.floats.get(line + column).toDouble()
                }
            }
        }
    }

    private fun count(length: Int) = (length + step - 1) / step

    private companion object {
        const val LONGER_SIDE = 24
    }
}
