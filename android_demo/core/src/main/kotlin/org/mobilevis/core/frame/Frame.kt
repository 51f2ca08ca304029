package org.mobilevis.core.frame

/** A frame of a video as the runtime sees it: upright rows of RGB, whatever the memory behind them. */
interface Frame {
    /** Height of the upright frame in pixels. */
    val height: Int

    /** Width of the upright frame in pixels. */
    val width: Int

    /**
     * Reads one upright row.
     *
     * @param y from the top, below [height].
     * @param into three planes of [width] values: red, green, blue, whole numbers in [0, 255].
     */
    fun readRow(
        y: Int,
        into: FloatArray,
    )

    /**
     * Reads one row of the upright frame at half its size, of even sides: each pixel is the rounded mean of four.
     *
     * @param y from the top, below half the [height].
     * @param into three planes of half the [width] values, as in [readRow].
     */
    fun readHalfRow(
        y: Int,
        into: FloatArray,
    )
}

/** Clockwise quarter turns that make a sensor's picture upright. */
enum class Rotation(
    val degrees: Int,
) {
    NONE(0),
    QUARTER(90),
    HALF(180),
    THREE_QUARTERS(270),
    ;

    /** Whether height and width change places. */
    val swapsSides: Boolean get() = this == QUARTER || this == THREE_QUARTERS

    companion object {
        /** @throws IllegalArgumentException [degrees] is not 0, 90, 180 or 270. */
        fun of(degrees: Int): Rotation =
            requireNotNull(entries.firstOrNull { it.degrees == degrees }) { "a rotation of $degrees degrees" }
    }
}

/**
 * Where the pixels of an upright row lie in the sensor's picture: a start, and a step to the next one.
 *
 * @param height of the sensor's picture.
 * @param width of the sensor's picture.
 */
internal class RowWalk(
    private val height: Int,
    private val width: Int,
    private val rotation: Rotation,
) {
    var row = 0
        private set
    var column = 0
        private set
    var rowStep = 0
        private set
    var columnStep = 0
        private set

    /** Moves to the first pixel of upright row [y]. */
    fun goTo(y: Int) {
        rowStep = 0
        columnStep = 0
        when (rotation) {
            Rotation.NONE -> place(y, 0).also { columnStep = 1 }
            Rotation.HALF -> place(height - 1 - y, width - 1).also { columnStep = -1 }
            Rotation.QUARTER -> place(height - 1, y).also { rowStep = -1 }
            Rotation.THREE_QUARTERS -> place(0, width - 1 - y).also { rowStep = 1 }
        }
    }

    private fun place(
        row: Int,
        column: Int,
    ) {
        this.row = row
        this.column = column
    }
}
