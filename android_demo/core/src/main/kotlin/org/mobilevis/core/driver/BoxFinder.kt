package org.mobilevis.core.driver

import org.mobilevis.core.association.Assignment
import java.util.Arrays
import kotlin.math.sqrt

/** Of a cell that may show where an object went. */
private const val LEAST_OBJECTNESS = 0.2f

/** Of an object's new box with its last one. */
private const val LEAST_IOU = 0.3f

/** Of boxes that are one object's, whatever their classes. */
private const val NMS_IOU = 0.65f

/**
 * The boxes of a frame that continue those of the frame before; see `mobilevis.runtime.places`.
 *
 * @param cells A.
 * @param capacity most objects.
 */
internal class BoxFinder(
    private val cells: Int,
    capacity: Int,
) {
    private val assignment = Assignment()
    private val order = LongArray(cells)
    private val candidates = IntArray(MAX_CANDIDATES)
    private val columnFor = IntArray(capacity)
    private var gain = DoubleArray(0)

    /**
     * Find them; no two objects have the same.
     *
     * @param places (count, 4), where the objects were; become the boxes that are found.
     * @param count of objects.
     * @param boxes (A, 4).
     * @param objectness (A,) in [0, 1].
     * @param isFound whether an object has a box goes here.
     */
    fun find(
        places: FloatArray,
        count: Int,
        boxes: FloatArray,
        objectness: FloatArray,
        isFound: BooleanArray,
    ) {
        isFound.fill(false, 0, count)
        val found = suppress(boxes, collect(places, count, boxes, objectness))
        if (count == 0 || found == 0) return
        if (gain.size < count * found) gain = DoubleArray(count * found)
        for (row in 0 until count) {
            for (column in 0 until found) {
                val cell = candidates[column]
                val overlap = iou(places, 4 * row, boxes, 4 * cell)
                val worth = overlap * sqrt(objectness[cell])
                gain[row * found + column] = if (overlap >= LEAST_IOU) worth.toDouble() else 0.0
            }
        }
        assignment.solve(gain, count, found, columnFor)
        for (row in 0 until count) {
            val column = columnFor[row]
            if (column < 0 || gain[row * found + column] <= 0.0) continue
            isFound[row] = true
            boxes.copyInto(places, 4 * row, 4 * candidates[column], 4 * candidates[column] + 4)
        }
    }

    /** The cells near any object by falling objectness into [order]; returns their number. */
    private fun collect(
        places: FloatArray,
        count: Int,
        boxes: FloatArray,
        objectness: FloatArray,
    ): Int {
        var found = 0
        for (cell in 0 until cells) {
            if (objectness[cell] < LEAST_OBJECTNESS) continue
            val isNear = (0 until count).any { iou(places, 4 * it, boxes, 4 * cell) >= LEAST_IOU }
            if (isNear) order[found++] = fallingKey(objectness[cell], cell)
        }
        Arrays.sort(order, 0, found)
        return minOf(found, MAX_CANDIDATES)
    }

    /** Those of the first [count] that no better one overlaps into [candidates]; returns their number. */
    private fun suppress(
        boxes: FloatArray,
        count: Int,
    ): Int {
        var kept = 0
        for (place in 0 until count) {
            val cell = order[place].toInt()
            val isFree = (0 until kept).none { iou(boxes, 4 * candidates[it], boxes, 4 * cell) > NMS_IOU }
            if (isFree) candidates[kept++] = cell
        }
        return kept
    }
}
