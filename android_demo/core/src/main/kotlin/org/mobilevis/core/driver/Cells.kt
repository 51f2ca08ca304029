package org.mobilevis.core.driver

import org.mobilevis.core.association.argmax
import java.util.Arrays

/*
 * What the client does with a dense model's cells: choose them, cut their masks, move their kernels' place. Boxes are
 * x0, y0, x1, y1 as fractions of the network's input. A kernel's last five numbers are the factors of
 * (x², y², x, y, 1), coordinates being fractions of the input from its centre.
 */

/** Numbers of a kernel, and channels of the mask features, that say where; the last ones. */
internal const val PLACE_CHANNELS = 5

/** By falling objectness: time is bounded, whatever a network puts out. */
internal const val MAX_CANDIDATES = 1000

/** What a fresh box is enlarged by, each side, as a fraction of its own. */
internal const val BOX_MARGIN = 0.08f

/** Of a reused kernel's box, which is where its object was a frame ago; see `mobilevis.runtime.cells`. */
internal const val REUSED_MARGIN = 0.25f

/** Of where an object without a box is looked for: it may move by a third of its side in a frame. */
internal const val LOOK_MARGIN = 0.4f

/** A mask that flickers must not shrink or blow up the place that it is looked for in. */
private const val MAX_GROWTH = 2.0

private const val LEAST_SIDE = 1e-6
private const val LEAST_AREA = java.lang.Float.MIN_NORMAL
private const val CENTRE = 0.5

/**
 * The cells that may score enough, as no class of a cell scores more than its objectness: of 4,200 some 30.
 *
 * @param cells A.
 * @param leastScore that is enough.
 */
internal class LikelyCells(
    cells: Int,
    private val leastScore: Float,
) {
    /** Indices of the cells found last, rising. */
    val indices = IntArray(minOf(cells, MAX_CANDIDATES))
    private val order = LongArray(cells)

    /**
     * Find them.
     *
     * @param objectness (A,) in [0, 1].
     * @return how many; at most [MAX_CANDIDATES] of the likeliest.
     */
    fun find(objectness: FloatArray): Int {
        var found = 0
        for (cell in objectness.indices) {
            if (objectness[cell] >= leastScore) order[found++] = fallingKey(objectness[cell], cell)
        }
        val count = minOf(found, indices.size)
        if (found > count) Arrays.sort(order, 0, found)
        for (place in 0 until count) indices[place] = order[place].toInt()
        if (found > count) Arrays.sort(indices, 0, count)
        return count
    }
}

/**
 * Cells that show an object, by falling score of their best class; class-wise non-maximum suppression.
 *
 * @param cells most among which to choose.
 * @param classes C.
 * @param leastScore cells below it show nothing.
 * @param nmsIou a cell is dropped for a better one of its class whose box overlaps it by more.
 * @param most how many are kept.
 */
internal class CellChoice(
    cells: Int,
    private val classes: Int,
    private val leastScore: Float,
    private val nmsIou: Float,
    most: Int,
) {
    /** Indices of the cells chosen last. */
    val chosen = IntArray(most)

    /** Score and index of a cell in one number each, that sorts by falling score, then by rising index. */
    private val candidates = LongArray(cells)
    private val classOf = IntArray(cells)
    private val isDropped = BooleanArray(cells)

    /**
     * Choose.
     *
     * @param scores (A, C) in [0, 1].
     * @param boxes (A, 4).
     * @param cells A.
     * @return how many are [chosen].
     */
    fun choose(
        scores: FloatArray,
        boxes: FloatArray,
        cells: Int,
    ): Int {
        val count = sortCandidates(scores, cells)
        isDropped.fill(false, 0, count)
        var kept = 0
        for (place in 0 until count) {
            if (isDropped[place]) continue
            val cell = candidates[place].toInt()
            chosen[kept++] = cell
            if (kept == chosen.size) break
            for (other in place + 1 until count) {
                val rival = candidates[other].toInt()
                if (classOf[rival] == classOf[cell] && iou(boxes, 4 * cell, 4 * rival) > nmsIou) isDropped[other] = true
            }
        }
        return kept
    }

    private fun sortCandidates(
        scores: FloatArray,
        cells: Int,
    ): Int {
        var count = 0
        for (cell in 0 until cells) {
            classOf[cell] = argmax(scores, cell * classes, classes)
            val best = scores[cell * classes + classOf[cell]]
            if (best >= leastScore) candidates[count++] = fallingKey(best, cell)
        }
        Arrays.sort(candidates, 0, count)
        return count
    }
}

/** Score and index in one number, that sorts by falling score, then by rising index. */
internal fun fallingKey(
    score: Float,
    index: Int,
): Long {
    // Bits of floats that are not negative are in their order.
    return (-maxOf(score, 0f).toRawBits().toLong() shl Int.SIZE_BITS) or index.toLong()
}

/** IoU of two boxes of an array, that begin at these indices. */
internal fun iou(
    boxes: FloatArray,
    first: Int,
    second: Int,
): Float = iou(boxes, first, boxes, second)

/** IoU of two boxes, that begin at these indices of their arrays. */
internal fun iou(
    boxes: FloatArray,
    first: Int,
    others: FloatArray,
    second: Int,
): Float {
    val width = minOf(boxes[first + 2], others[second + 2]) - maxOf(boxes[first], others[second])
    val height = minOf(boxes[first + 3], others[second + 3]) - maxOf(boxes[first + 1], others[second + 1])
    val shared = maxOf(width, 0f) * maxOf(height, 0f)
    return shared / maxOf(area(others, second) + area(boxes, first) - shared, LEAST_AREA)
}

private fun area(
    boxes: FloatArray,
    at: Int,
): Float = maxOf(boxes[at + 2] - boxes[at], 0f) * maxOf(boxes[at + 3] - boxes[at + 1], 0f)

/**
 * Takes from a mask what lies outside its box: a foreground logit there is as far below a mask's edge as it was above,
 * so that interpolation puts the edge on the cut.
 *
 * @param logits the mask is (height, width) from [offset] on, over the whole input.
 * @param box (4,).
 * @param margin what the box is enlarged by, each side, as a fraction of its own.
 * @param edge logit above which a cell is foreground.
 */
internal fun cutToBox(
    logits: FloatArray,
    offset: Int,
    height: Int,
    width: Int,
    box: FloatArray,
    margin: Float,
    edge: Float,
) {
    val across = margin * (box[2] - box[0])
    val down = margin * (box[3] - box[1])
    val left = box[0] - across
    val right = box[2] + across
    val top = box[1] - down
    val bottom = box[3] + down
    for (row in 0 until height) {
        val y = (row + CENTRE) / height
        val isInside = y >= top && y <= bottom
        for (column in 0 until width) {
            val x = (column + CENTRE) / width
            if (isInside && x >= left && x <= right) continue
            val at = offset + row * width + column
            logits[at] = minOf(2 * edge - logits[at], logits[at])
        }
    }
}

/** The motion that takes one box to another: growth, within a factor of two, and the centres, along x and y. */
internal class BoxMotion {
    private val growth = DoubleArray(2)
    private val old = DoubleArray(2)
    private val new = DoubleArray(2)

    /** Becomes the motion from the box of [start] to that of [end], that begin at index [at]. */
    fun between(
        start: FloatArray,
        end: FloatArray,
        at: Int,
    ) {
        for (axis in 0..1) {
            val sides = side(end, at + axis) / side(start, at + axis)
            growth[axis] = sides.coerceIn(1.0 / MAX_GROWTH, MAX_GROWTH)
            old[axis] = middle(start, at + axis)
            new[axis] = middle(end, at + axis)
        }
    }

    /** A box, from index [from] of [boxes] on, after the motion. */
    fun moveBox(
        boxes: FloatArray,
        from: Int,
        into: FloatArray,
    ) {
        for (i in 0 until 4) {
            val axis = i % 2
            into[i] = ((boxes[from + i] - old[axis]) * growth[axis] + new[axis]).toFloat()
        }
    }

    /**
     * A kernel, from index [from] of [kernels] on, whose place follows the motion. The place is a·x² + b·x + c and the
     * same in y; x becomes x / growth + shift.
     */
    fun moveKernel(
        kernels: FloatArray,
        from: Int,
        into: FloatArray,
    ) {
        kernels.copyInto(into, 0, from, from + into.size)
        val place = into.size - PLACE_CHANNELS
        var constant = 0.0
        for (axis in 0..1) {
            val shrink = 1.0 / growth[axis]
            val shift = (old[axis] - CENTRE) - (new[axis] - CENTRE) * shrink
            val square = into[place + axis].toDouble()
            val linear = into[place + 2 + axis].toDouble()
            into[place + axis] = (square * (shrink * shrink)).toFloat()
            into[place + 2 + axis] = ((2.0 * square * shift + linear) * shrink).toFloat()
            constant += square * (shift * shift) + linear * shift
        }
        into[place + 4] = (into[place + 4] + constant).toFloat()
    }

    private companion object {
        fun side(
            box: FloatArray,
            at: Int,
        ): Double = maxOf(box[at + 2].toDouble() - box[at], LEAST_SIDE)

        fun middle(
            box: FloatArray,
            at: Int,
        ): Double = (box[at].toDouble() + box[at + 2]) / 2.0
    }
}
