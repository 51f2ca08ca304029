package org.mobilevis.core.mask

/**
 * A mask of [height] × [width] cells, one bit each; rows begin at whole words, so that rows can be compared.
 *
 * @property words (height, [stride]) words, the leftmost cell in the lowest bit.
 */
class BitMask(
    val height: Int,
    val width: Int,
) {
    /** Words of a row. */
    val stride: Int = (width + Long.SIZE_BITS - 1) / Long.SIZE_BITS
    val words = LongArray(height * stride)

    operator fun get(
        row: Int,
        column: Int,
    ): Boolean = words[row * stride + (column shr 6)] ushr (column and 63) and 1L != 0L

    fun set(
        row: Int,
        column: Int,
    ) {
        val word = row * stride + (column shr 6)
        words[word] = words[word] or (1L shl (column and 63))
    }

    /** Calls [action] with row and column of each cell of the foreground. */
    inline fun forEach(action: (Int, Int) -> Unit) {
        for (word in words.indices) {
            var rest = words[word]
            while (rest != 0L) {
                val bit = java.lang.Long.numberOfTrailingZeros(rest)
                action(word / stride, (word % stride shl 6) + bit)
                rest = rest and (rest - 1)
            }
        }
    }

    /** Makes all cells background. */
    fun clear() = words.fill(0L)

    /** Number of foreground cells. */
    fun area(): Int {
        var sum = 0
        for (word in words) sum += java.lang.Long.bitCount(word)
        return sum
    }

    /** Number of cells that are foreground in both, of equal sizes. */
    fun overlap(other: BitMask): Int {
        var sum = 0
        for (i in words.indices) sum += java.lang.Long.bitCount(words[i] and other.words[i])
        return sum
    }

    /** Takes over another mask of equal size. */
    fun copyFrom(other: BitMask) {
        other.words.copyInto(words)
    }

    /**
     * Becomes [other], of equal size, moved by whole cells; what leaves the frame is gone.
     *
     * @param down cells, negative moves up.
     * @param right cells, negative moves left.
     */
    fun moveFrom(
        other: BitMask,
        down: Int,
        right: Int,
    ) {
        clear()
        val wordShift = Math.floorDiv(right, Long.SIZE_BITS)
        val bits = Math.floorMod(right, Long.SIZE_BITS)
        val last = width - (stride - 1) * Long.SIZE_BITS
        for (row in maxOf(0, down) until minOf(height, height + down)) {
            val from = (row - down) * stride
            for (word in 0 until stride) {
                val source = word - wordShift
                var value = if (source in 0 until stride) other.words[from + source] shl bits else 0L
                if (bits > 0 && source - 1 in 0 until stride) {
                    value = value or (other.words[from + source - 1] ushr (Long.SIZE_BITS - bits))
                }
                words[row * stride + word] = value
            }
            val end = row * stride + stride - 1
            words[end] = words[end] and (-1L ushr (Long.SIZE_BITS - last))
        }
    }

    /** The mean of the foreground cells' places, (row, column), into [into]. */
    fun centre(into: DoubleArray) {
        var rows = 0L
        var columns = 0L
        var count = 0
        for (row in 0 until height) {
            for (word in 0 until stride) {
                var left = words[row * stride + word]
                while (left != 0L) {
                    columns += word * Long.SIZE_BITS + java.lang.Long.numberOfTrailingZeros(left)
                    rows += row
                    count++
                    left = left and (left - 1)
                }
            }
        }
        into[0] = rows.toDouble() / count
        into[1] = columns.toDouble() / count
    }
}

/** Intersection over union in [0, 1]; 0 for two empty masks. */
fun maskIou(
    first: BitMask,
    firstArea: Int,
    second: BitMask,
    secondArea: Int,
): Float {
    val shared = first.overlap(second)
    val union = firstArea + secondArea - shared
    return if (union == 0) 0f else shared.toFloat() / union
}
