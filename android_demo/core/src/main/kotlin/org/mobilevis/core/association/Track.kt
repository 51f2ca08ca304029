package org.mobilevis.core.association

import org.mobilevis.core.mask.BitMask

/** Weight of a track's class scores so far against the new ones. */
private const val CLASS_MEMORY = 0.9f

/**
 * One object over the frames.
 *
 * @param width values of an appearance.
 * @param classes number of classes.
 * @param height of masks in cells.
 * @param columns of masks in cells.
 */
internal class Track(
    width: Int,
    classes: Int,
    height: Int,
    columns: Int,
) {
    var identity = 0
        private set

    /** Length 1. */
    val appearance = Rows(width, 1)

    /** Fading sums. */
    val classScores = FloatArray(classes)

    /** The best so far. */
    var score = 0f
        private set

    /** Frames without a detection. */
    var unseen = 0
        private set

    /** Where it was seen last. */
    val mask = BitMask(height, columns)

    /** Of [mask], (y, x) in cells. */
    val centre = DoubleArray(2)

    /** (y, x) cells a frame. */
    val velocity = DoubleArray(2)

    /** [mask] in the next frame. */
    val expected = BitMask(height, columns)
    var expectedArea = 0
        private set
    private val newCentre = DoubleArray(2)

    /** A track that begins here. */
    fun begin(
        identity: Int,
        looks: FloatArray,
        row: Int,
        place: BitMask,
    ) {
        this.identity = identity
        appearance.copyRow(looks, row, 0)
        classScores.fill(0f)
        score = 0f
        unseen = 0
        velocity.fill(0.0)
        place.centre(centre)
    }

    /** A frame shows the track with these scores; and, where the detection is sure, with this look. */
    fun see(
        scores: FloatArray,
        looks: FloatArray,
        row: Int,
        isSure: Boolean,
        memory: Float,
    ) {
        val classes = classScores.size
        for (i in 0 until classes) {
            val now = scores[row * classes + i]
            classScores[i] = CLASS_MEMORY * classScores[i] + now
            score = maxOf(score, now)
        }
        if (!isSure) return
        val own = appearance.values
        val from = row * appearance.width
        for (i in 0 until appearance.width) own[i] = memory * own[i] + (1f - memory) * looks[from + i]
        appearance.normalise(0)
    }

    /** The next frame shows the track here. */
    fun moveTo(place: BitMask) {
        place.centre(newCentre)
        for (axis in 0..1) {
            if (unseen == 0) velocity[axis] = 0.5 * velocity[axis] + 0.5 * (newCentre[axis] - centre[axis])
            centre[axis] = newCentre[axis]
        }
        mask.copyFrom(place)
        unseen = 0
    }

    /** The next frame shows nothing of the track. */
    fun vanish() {
        velocity.fill(0.0)
        unseen++
    }

    /**
     * Works out [expected]; halves of a cell go to the even number.
     *
     * @param common step (y, x) beyond its own.
     * @param goesOn whether it has a step of its own.
     */
    fun expect(
        common: DoubleArray,
        goesOn: Boolean,
    ) {
        val own = if (goesOn) 1.0 else 0.0
        val down = Math.rint(own * velocity[0] + common[0]).toInt().coerceIn(-mask.height, mask.height)
        val right = Math.rint(own * velocity[1] + common[1]).toInt().coerceIn(-mask.width, mask.width)
        expected.moveFrom(mask, down, right)
        expectedArea = expected.area()
    }
}
