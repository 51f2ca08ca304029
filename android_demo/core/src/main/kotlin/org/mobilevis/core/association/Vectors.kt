package org.mobilevis.core.association

import kotlin.math.sqrt

/** The least positive normal float: what a length of 0 is divided by. */
internal const val TINY = 1.17549435e-38f

/** Rows of [width] values each, one after the other, in memory that grows when it must. */
class Rows(
    val width: Int,
    capacity: Int = 0,
) {
    var values = FloatArray(width * capacity)
        private set
    var count = 0
        private set

    /** Makes room for [count] rows; what they hold is not defined. */
    fun resize(count: Int) {
        if (values.size < count * width) values = values.copyOf(count * width)
        this.count = count
    }

    /** Copies row [from] of [source] to row [to]. */
    fun copyRow(
        source: FloatArray,
        from: Int,
        to: Int,
    ) {
        source.copyInto(values, to * width, from * width, (from + 1) * width)
    }

    /** Scales row [row] to length 1; a zero row stays. */
    fun normalise(row: Int) = scale(values, row * width, width, 1f)
}

/** Scales [count] values from [from] on to this length; zeros stay. */
internal fun scale(
    values: FloatArray,
    from: Int,
    count: Int,
    length: Float,
) {
    val norm = maxOf(sqrt(dot(values, from, values, from, count)), TINY)
    for (i in from until from + count) values[i] = length * (values[i] / norm)
}

/** Scalar product of [count] values of each array; four sums side by side, which a CPU adds at once. */
internal fun dot(
    a: FloatArray,
    fromA: Int,
    b: FloatArray,
    fromB: Int,
    count: Int,
): Float {
    var sum0 = 0f
    var sum1 = 0f
    var sum2 = 0f
    var sum3 = 0f
    var i = 0
    while (i + 3 < count) {
        sum0 += a[fromA + i] * b[fromB + i]
        sum1 += a[fromA + i + 1] * b[fromB + i + 1]
        sum2 += a[fromA + i + 2] * b[fromB + i + 2]
        sum3 += a[fromA + i + 3] * b[fromB + i + 3]
        i += 4
    }
    while (i < count) {
        sum0 += a[fromA + i] * b[fromB + i]
        i++
    }
    return sum0 + sum1 + (sum2 + sum3)
}

/** Index of the largest of [count] values from [from] on, relative to it; the first among equals. */
internal fun argmax(
    values: FloatArray,
    from: Int,
    count: Int,
): Int {
    var best = 0
    for (i in 1 until count) if (values[from + i] > values[from + best]) best = i
    return best
}

/** Indices 0 … [count] - 1 by falling [scores] into [order]; equal ones keep their order. */
internal fun orderByScore(
    scores: FloatArray,
    count: Int,
    order: IntArray,
) {
    for (i in 0 until count) {
        var place = i
        while (place > 0 && scores[order[place - 1]] < scores[i]) {
            order[place] = order[place - 1]
            place--
        }
        order[place] = i
    }
}
