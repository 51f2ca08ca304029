package org.mobilevis.core.association

/**
 * Tracks with births and deaths, ours: born from confident detections, kept for some keyframes unseen, matched only
 * where the cosine is high enough. Identities are never used twice.
 *
 * @param width D, values of a kernel.
 * @param newScore a kernel is a detection from this score on.
 * @param matchCosine a detection continues a track from this cosine on.
 * @param keepLost keyframes that a track survives without a detection.
 */
class OnlineAssociation(
    private val width: Int,
    private val newScore: Float,
    private val matchCosine: Float = 0.5f,
    private val keepLost: Int = 10,
) : KernelAssociation {
    private val tracks = Rows(width)
    private var ids = IntArray(0)
    private var unseen = IntArray(0)
    private var nextId = 1
    private val found = Rows(width)
    private var kernelOf = IntArray(0)
    private val assignment = Assignment()
    private var gain = DoubleArray(0)
    private var detectionOf = IntArray(0)

    override fun update(
        kernels: FloatArray,
        scores: FloatArray,
        count: Int,
        identities: IntArray,
    ) {
        identities.fill(0, 0, count)
        detect(kernels, scores, count)
        for (track in 0 until tracks.count) unseen[track]++
        match(identities)
        for (detection in 0 until found.count) {
            if (identities[kernelOf[detection]] == 0) identities[kernelOf[detection]] = begin(detection)
        }
        forget()
    }

    private fun detect(
        kernels: FloatArray,
        scores: FloatArray,
        count: Int,
    ) {
        if (kernelOf.size < count) kernelOf = IntArray(count)
        var detections = 0
        for (kernel in 0 until count) if (scores[kernel] >= newScore) kernelOf[detections++] = kernel
        found.resize(detections)
        for (detection in 0 until detections) {
            found.copyRow(kernels, kernelOf[detection], detection)
            found.normalise(detection)
        }
    }

    private fun match(identities: IntArray) {
        val size = tracks.count * found.count
        if (size == 0) return
        if (gain.size < size) gain = DoubleArray(size)
        if (detectionOf.size < tracks.count) detectionOf = IntArray(tracks.count)
        for (track in 0 until tracks.count) {
            for (detection in 0 until found.count) {
                val cosine = dot(tracks.values, track * width, found.values, detection * width, width)
                // A pair below the bar must not hold a detection back from its own track.
                gain[track * found.count + detection] = if (cosine >= matchCosine) cosine.toDouble() else NO_PAIR
            }
        }
        assignment.solve(gain, tracks.count, found.count, detectionOf)
        for (track in 0 until tracks.count) {
            val detection = detectionOf[track]
            if (detection < 0 || gain[track * found.count + detection] == NO_PAIR) continue
            tracks.copyRow(found.values, detection, track)
            unseen[track] = 0
            identities[kernelOf[detection]] = ids[track]
        }
    }

    private fun begin(detection: Int): Int {
        val track = tracks.count
        tracks.resize(track + 1)
        tracks.copyRow(found.values, detection, track)
        if (ids.size <= track) {
            ids = ids.copyOf(2 * track + 8)
            unseen = unseen.copyOf(2 * track + 8)
        }
        ids[track] = nextId
        unseen[track] = 0
        return nextId++
    }

    private fun forget() {
        var kept = 0
        for (track in 0 until tracks.count) {
            if (unseen[track] > keepLost) continue
            if (kept != track) {
                tracks.copyRow(tracks.values, track, kept)
                ids[kept] = ids[track]
                unseen[kept] = unseen[track]
            }
            kept++
        }
        tracks.resize(kept)
    }

    private companion object {
        /** Below every cosine. */
        const val NO_PAIR = -2.0
    }
}
