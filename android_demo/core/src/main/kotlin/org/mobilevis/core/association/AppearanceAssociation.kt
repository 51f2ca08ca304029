package org.mobilevis.core.association

import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.maskIou
import kotlin.math.pow
import kotlin.math.sqrt

/** How long a track that is lost is looked for where it was, each frame with less weight. */
private const val PLACE_FRAMES = 10
private const val PLACE_MEMORY = 0.9

/**
 * The detections of one frame.
 *
 * @property looks (count, C) appearances.
 * @property classScores (count, L) in [0, 1].
 * @property masks one for each detection, none empty.
 * @property areas foreground cells of each mask.
 */
class Detections(
    val looks: Rows,
    val classScores: FloatArray,
    val masks: List<BitMask>,
    val areas: IntArray,
) {
    var count = 0
}

/**
 * Tracks that look alike, have one class and go on where they were; ours.
 *
 * @param classes L.
 * @param matchSimilarity least similarity of a detection with its track: the cosine of their appearances, less what
 *   their classes differ by, plus the IoU with the track's last mask, moved on at the track's speed and with the
 *   camera, less of it for each frame since.
 * @param birthScore detections from this score on start tracks and teach them their appearance; fainter ones only go
 *   on with a track.
 * @param keepLost frames that a track survives without a detection.
 * @param classWeight of what the cosine of a detection's and its track's class scores lacks of 1.
 * @param followsCamera whether tracks are expected where the picture moved to; otherwise they go on at their speeds.
 * @param memory weight of a track's appearance so far against the new one's.
 */
class AppearanceAssociation(
    private val classes: Int,
    private val matchSimilarity: Float = 0.7f,
    private val birthScore: Float = 0.2f,
    private val keepLost: Int = 30,
    private val classWeight: Float = 0.8f,
    private val followsCamera: Boolean = false,
    private val memory: Float = 0.7f,
) {
    private val tracks = ArrayList<Track>()
    private val retired = ArrayList<Track>()
    private var nextId = 1
    private val assignment = Assignment()
    private val common = CommonStep(goesOn = !followsCamera)
    private var likeness = FloatArray(0)
    private var gain = DoubleArray(0)
    private var detectionOf = IntArray(0)
    private var trackOf = arrayOfNulls<Track>(0)

    /**
     * Identities and classes of a frame's detections.
     *
     * @param found the looks are scaled to length 1 in place.
     * @param identities from 1, never used twice, go here; 0 for what is too faint to start a track.
     * @param classIndices the class that the track's scores so far are highest for goes here.
     * @param pictured cells (y, x) that the camera moved all by since the last frame, as the pictures say; null where
     *   they do not.
     */
    fun update(
        found: Detections,
        identities: IntArray,
        classIndices: IntArray,
        pictured: DoubleArray? = null,
    ) {
        val count = found.count
        for (row in 0 until count) found.looks.normalise(row)
        if (trackOf.size < count) trackOf = arrayOfNulls(count)
        trackOf.fill(null)
        match(found, pictured)
        for (detection in 0 until count) {
            val isSure = scoreOf(found, detection) >= birthScore
            val track = trackOf[detection] ?: if (isSure) begin(found, detection) else null
            trackOf[detection] = track
            identities[detection] = track?.identity ?: 0
            if (track == null) continue
            track.see(found.classScores, found.looks.values, detection, isSure, memory)
            classIndices[detection] = argmax(track.classScores, 0, classes)
        }
        passFrame(found)
    }

    private fun scoreOf(
        found: Detections,
        detection: Int,
    ): Float = found.classScores[detection * classes + argmax(found.classScores, detection * classes, classes)]

    private fun match(
        found: Detections,
        pictured: DoubleArray?,
    ) {
        val count = found.count
        val size = tracks.size * count
        if (size == 0) return
        if (gain.size < size) {
            gain = DoubleArray(size)
            likeness = FloatArray(size)
        }
        if (detectionOf.size < tracks.size) detectionOf = IntArray(tracks.size)
        compare(found)
        common.find(likeness, tracks, found.masks, count, pictured)
        for (row in tracks.indices) {
            val track = tracks[row]
            if (track.unseen < PLACE_FRAMES) track.expect(common.step, goesOn = !followsCamera)
            for (detection in 0 until count) {
                val similarity = likeness[row * count + detection] + overlap(track, found, detection)
                // A sure detection must not lose its track to a faint one on the same object.
                val sureness = sqrt(track.score.toDouble() * scoreOf(found, detection))
                gain[row * count + detection] = if (similarity >= matchSimilarity) similarity * sureness else 0.0
            }
        }
        assignment.solve(gain, tracks.size, count, detectionOf)
        for (row in tracks.indices) {
            val detection = detectionOf[row]
            if (detection >= 0 && gain[row * count + detection] > 0.0) trackOf[detection] = tracks[row]
        }
    }

    /** By looks and classes alone. */
    private fun compare(found: Detections) {
        val width = found.looks.width
        for (row in tracks.indices) {
            val track = tracks[row]
            for (detection in 0 until found.count) {
                val alike = dot(track.appearance.values, 0, found.looks.values, detection * width, width)
                val lacking = 1f - cosine(track.classScores, 0, found.classScores, detection * classes, classes)
                likeness[row * found.count + detection] = alike - classWeight * lacking
            }
        }
    }

    private fun overlap(
        track: Track,
        found: Detections,
        detection: Int,
    ): Float {
        if (track.unseen >= PLACE_FRAMES) return 0f
        val iou = maskIou(track.expected, track.expectedArea, found.masks[detection], found.areas[detection])
        return PLACE_MEMORY.pow(track.unseen).toFloat() * iou
    }

    private fun begin(
        found: Detections,
        detection: Int,
    ): Track {
        val size = found.masks[0]
        val track = retired.removeLastOrNull() ?: Track(found.looks.width, classes, size.height, size.width)
        track.begin(nextId++, found.looks.values, detection, found.masks[detection])
        tracks.add(track)
        return track
    }

    private fun passFrame(found: Detections) {
        for (track in tracks) {
            var detection = 0
            while (detection < found.count && trackOf[detection] !== track) detection++
            if (detection < found.count) track.moveTo(found.masks[detection]) else track.vanish()
        }
        for (i in tracks.indices.reversed()) {
            if (tracks[i].unseen > keepLost) retired.add(tracks.removeAt(i))
        }
    }
}

/** Cosine of two rows; a zero row is like none. */
private fun cosine(
    a: FloatArray,
    fromA: Int,
    b: FloatArray,
    fromB: Int,
    count: Int,
): Float {
    val lengthA = maxOf(sqrt(dot(a, fromA, a, fromA, count)), TINY)
    val lengthB = maxOf(sqrt(dot(b, fromB, b, fromB, count)), TINY)
    return dot(a, fromA, b, fromB, count) / lengthA / lengthB
}
