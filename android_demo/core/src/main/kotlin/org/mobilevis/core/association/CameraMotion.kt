package org.mobilevis.core.association

import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.mask.BitMask
import kotlin.math.abs
import kotlin.math.hypot

/** Pixels of a cell in which objects are compared. */
private const val FINE_CELL = 8

/** From frame to frame: what is more was not found, but lost. */
private const val MOST_ZOOM = 1.25

/** An object went along if that leaves less than this part of what standing still leaves of its picture. */
private const val LESS_LEFT = 0.8

/**
 * How the camera moved, turned and zoomed between two frames, and which objects went along; see
 * `mobilevis.runtime.association.camera_motion`.
 *
 * @param letterbox where a frame lies in the network's input.
 */
internal class CameraMotion(
    letterbox: Letterbox,
) {
    private val input = letterbox.input
    private val registration = Registration(letterbox.content.height / CELL, letterbox.content.width / CELL)
    private var before = Miniature(letterbox, FINE_CELL)

    /** The last frame, of which `Miniature.take` makes a coarser one. */
    var now = Miniature(letterbox, FINE_CELL)
        private set

    /** The turn in cells and pixels alike; the shift in pixels from the input's upper left corner. */
    private var along = 1.0
    private var across = 0.0
    private var down = 0.0
    private var right = 0.0
    private val misfit = DoubleArray(now.values.size)
    private val isInside = BooleanArray(misfit.size)

    /** Takes the next frame, (1, 3, H, W) RGB in [0, 255], the network's input. */
    fun take(frame: Tensor) {
        before = now.also { now = before }
        now.take(frame)
    }

    /** Whether the last two frames tell the motion, from their [camera]'s step on. */
    fun find(camera: CameraStep): Boolean {
        if (minOf(camera.now.rows, camera.now.columns) < 2) return false // a single row or column has no gradients
        registration.find(camera.before, camera.now, camera.step[0] / CELL, camera.step[1] / CELL)
        along = registration.along
        across = registration.across
        val zoom = hypot(along, across)
        if (zoom < 1.0 / MOST_ZOOM || zoom > MOST_ZOOM) return false
        val (y, x) = 0.5 * camera.now.rows * CELL to 0.5 * camera.now.columns * CELL
        down = registration.down * CELL + y - (along * y - across * x)
        right = registration.right * CELL + x - (across * y + along * x)
        compare()
        return true
    }

    /**
     * What the motion leaves of the difference of the frames, less [LESS_LEFT] of what standing still leaves, into
     * [misfit]; NaN where it went out of sight.
     */
    private fun compare() {
        var count = 0
        var sum = 0.0
        for (row in 0 until now.rows) {
            for (column in 0 until now.columns) {
                val y = (row + 0.5) * FINE_CELL
                val x = (column + 0.5) * FINE_CELL
                val movedY = (along * y - across * x + down) / FINE_CELL - 0.5
                val movedX = (across * y + along * x + right) / FINE_CELL - 0.5
                val at = row * now.columns + column
                isInside[at] = now.holds(movedY, movedX)
                if (!isInside[at]) continue
                misfit[at] = now.sample(movedY, movedX) - before.values[at]
                sum += misfit[at]
                count++
            }
        }
        val level = if (count == 0) 0.0 else sum / count
        for (at in misfit.indices) {
            val stays = LESS_LEFT * abs(now.values[at] - before.values[at])
            misfit[at] = if (isInside[at]) abs(misfit[at] - level) - stays else Double.NaN
        }
    }

    /**
     * Whether what the first frame showed under a mask went along, or nothing of that is in sight.
     *
     * @param stride pixels of the input that the mask's cells are wide and high.
     */
    fun carries(
        mask: BitMask,
        stride: Int,
    ): Boolean {
        var sum = 0.0
        var isInSight = false
        mask.forEach { row, column ->
            val y = row * stride / FINE_CELL
            val x = column * stride / FINE_CELL
            val left = if (y < now.rows && x < now.columns) misfit[y * now.columns + x] else Double.NaN
            if (!left.isNaN()) {
                isInSight = true
                sum += left
            }
        }
        return !isInSight || sum < 0.0
    }

    /** Moves the box that begins at index [at], in fractions of the input; it stays upright. */
    fun moveBox(
        boxes: FloatArray,
        at: Int,
    ) {
        val (height, width) = input
        val (x0, x1) = boxes[at].toDouble() * width to boxes[at + 2].toDouble() * width
        val (y0, y1) = boxes[at + 1].toDouble() * height to boxes[at + 3].toDouble() * height
        val (y, x) = (y0 + y1) / 2.0 to (x0 + x1) / 2.0
        val zoom = hypot(along, across)
        val (tall, wide) = zoom * (y1 - y0) / 2.0 to zoom * (x1 - x0) / 2.0
        val (centreY, centreX) = along * y - across * x + down to across * y + along * x + right
        boxes[at] = ((centreX - wide) / width).toFloat()
        boxes[at + 1] = ((centreY - tall) / height).toFloat()
        boxes[at + 2] = ((centreX + wide) / width).toFloat()
        boxes[at + 3] = ((centreY + tall) / height).toFloat()
    }
}
