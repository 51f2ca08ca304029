package org.mobilevis.core.driver

import org.mobilevis.core.association.AppearanceAssociation
import org.mobilevis.core.association.AppearancePooling
import org.mobilevis.core.association.CameraWatch
import org.mobilevis.core.association.Detections
import org.mobilevis.core.association.Fusion
import org.mobilevis.core.association.Rows
import org.mobilevis.core.association.argmax
import org.mobilevis.core.association.scale
import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.LogitPlane
import org.mobilevis.core.metadata.Size

/**
 * Fuses the masks on each object and gives them the identities and classes of tracks.
 *
 * On every frame, as a kernel that is reused may lose its object to another kernel.
 *
 * @param facts of the artefact.
 * @param family says what an appearance is made of, and which masks are one object's.
 * @param lookWidth values of a kernel's embedding.
 * @param scoreThreshold kernels that score less show nothing.
 * @param content rows and columns of a mask that see the frame.
 * @param maskLogit logit above which a cell is foreground.
 * @param camera says how the picture moved; null where objects are followed without it.
 */
internal class AppearanceTracking(
    private val facts: MobileInstFacts,
    private val family: Family,
    lookWidth: Int,
    private val scoreThreshold: Float,
    content: Size,
    private val maskLogit: Float,
    private val keptClasses: BooleanArray?,
    private val tracks: AppearanceAssociation,
    private val camera: CameraWatch?,
) {
    private val capacity = facts.maxInstances
    private val planeSize = facts.masks.shape[2] * facts.masks.shape[3]
    private val channels = facts.features.shape[1] - family.placeChannels

    /** Values of an embedding that stand beside an appearance's. */
    private val embeddingWidth = if (family.embeddingWeight > 0f) lookWidth else 0
    private val pooling =
        AppearancePooling(channels, facts.features.shape[2], facts.features.shape[3], facts.ratio)
    private val fusion = Fusion(capacity, family.sameObject)
    private val seenScores = FloatArray(capacity)
    private val seenClassScores = FloatArray(capacity * facts.classes)
    private val seenSlots = IntArray(capacity)
    private val seenMasks = List(capacity) { BitMask(content.height, content.width) }
    private val seenAreas = IntArray(capacity)

    /** The object that each slot was part of on the keyframe, and those of the slots that are seen. */
    private val together = IntArray(capacity)
    private val seenTogether = IntArray(capacity)
    private val found =
        Detections(
            Rows(channels + embeddingWidth, capacity),
            FloatArray(capacity * facts.classes),
            List(capacity) { BitMask(content.height, content.width) },
            IntArray(capacity),
        )
    private val foundOffsets = IntArray(capacity)
    private val ids = IntArray(capacity)
    private val classIndices = IntArray(capacity)
    private val cameraStep = DoubleArray(2)
    private val plane = LogitPlane(FloatArray(0), facts.masks.shape[3], content)

    /** (S, r·h, r·w) logits of the objects, that [Shown] points into. */
    val fused = FloatArray(facts.masks.elements)

    /** A window into [fused]. */
    val fusedPlane = LogitPlane(fused, facts.masks.shape[3], content)

    /**
     * Follow the objects into this frame.
     *
     * @param live the keyframe's kernels.
     * @param logits (S, r·h, r·w) of this frame.
     * @param features (C or more, h, w) of this frame.
     * @param isKeyframe whether the kernels are new.
     * @param shown takes what the frame shows.
     */
    fun follow(
        live: LiveKernels,
        logits: FloatArray,
        features: FloatArray,
        isKeyframe: Boolean,
        shown: Shown,
    ) {
        val seen = look(live, logits)
        for (detection in 0 until seen) seenTogether[detection] = together[seenSlots[detection]]
        fusion.find(seenScores, seenMasks, seenAreas, seen, if (isKeyframe) null else seenTogether)
        if (isKeyframe) {
            for (slot in 0 until capacity) together[slot] = -1 - slot // what is not seen is alone
            for (detection in 0 until seen) together[seenSlots[detection]] = fusion.objectOf[detection]
        }
        fuse(logits, seen)
        pooling.begin(features)
        hold(features, live.looks)
        tracks.update(found, ids, classIndices, findCameraStep())
        for (detection in 0 until found.count) {
            val isKept = keptClasses == null || keptClasses[classIndices[detection]]
            if (ids[detection] > 0 && isKept) {
                shown.add(ids[detection], classIndices[detection], score(detection), foundOffsets[detection])
            }
        }
    }

    /** How far the picture moved since the last masks, (y, x) in cells of masks; null where it does not tell. */
    private fun findCameraStep(): DoubleArray? {
        val step = camera?.findStep() ?: return null
        for (axis in step.indices) cameraStep[axis] = step[axis] / facts.maskStride
        return cameraStep
    }

    /** A frame passes that shows none of the tracks. */
    fun followNothing() {
        found.count = 0
        tracks.update(found, ids, classIndices)
    }

    /** Which kernels show something on this frame; returns their number. */
    private fun look(
        live: LiveKernels,
        logits: FloatArray,
    ): Int {
        val classes = facts.classes
        val window = LogitPlane(logits, plane.rowStride, plane.size)
        var seen = 0
        for (slot in 0 until live.count) {
            window.offset = slot * planeSize
            val factor = window.maskness(maskLogit)
            val from = seen * classes
            for (i in 0 until classes) seenClassScores[from + i] = live.classScores[slot * classes + i] * factor
            val score = seenClassScores[from + argmax(seenClassScores, from, classes)]
            if (score <= 0f || score < scoreThreshold) continue
            seenScores[seen] = score
            seenSlots[seen] = slot
            seenAreas[seen] = window.threshold(maskLogit, seenMasks[seen])
            seen++
        }
        return seen
    }

    /** The weighted mean of each object's logits into [fused], the best of its class scores into [found]. */
    private fun fuse(
        logits: FloatArray,
        seen: Int,
    ) {
        val classes = facts.classes
        fused.fill(0f, 0, fusion.objects * planeSize)
        found.classScores.fill(0f, 0, fusion.objects * classes)
        for (detection in 0 until seen) {
            val target = fusion.objectOf[detection]
            val weight = fusion.weight[detection]
            val from = seenSlots[detection] * planeSize
            for (i in 0 until planeSize) fused[target * planeSize + i] += weight * logits[from + i]
            for (i in 0 until classes) {
                val at = target * classes + i
                found.classScores[at] = maxOf(found.classScores[at], seenClassScores[detection * classes + i])
            }
        }
    }

    /** Keeps the objects whose fused masks are not empty, with their appearances. */
    private fun hold(
        features: FloatArray,
        embeddings: Rows,
    ) {
        val classes = facts.classes
        found.count = 0
        found.looks.resize(fusion.objects)
        for (target in 0 until fusion.objects) {
            val row = found.count
            fusedPlane.offset = target * planeSize
            found.areas[row] = fusedPlane.threshold(maskLogit, found.masks[row])
            if (found.areas[row] == 0) continue
            foundOffsets[row] = fusedPlane.offset
            found.classScores.copyInto(found.classScores, row * classes, target * classes, (target + 1) * classes)
            val from = row * found.looks.width
            pooling.pool(features, fused, fusedPlane.offset, maskLogit, found.looks.values, from)
            if (embeddingWidth > 0) embed(embeddings.values, seenSlots[fusion.best[target]], from)
            found.count++
        }
    }

    /** Puts a kernel's embedding, of the family's length, beside an appearance, of length 1. */
    private fun embed(
        embeddings: FloatArray,
        slot: Int,
        from: Int,
    ) {
        val looks = found.looks.values
        val to = from + channels
        scale(looks, from, channels, 1f)
        embeddings.copyInto(looks, to, slot * embeddingWidth, (slot + 1) * embeddingWidth)
        scale(looks, to, embeddingWidth, family.embeddingWeight)
    }

    private fun score(detection: Int): Float {
        val from = detection * facts.classes
        return found.classScores[from + argmax(found.classScores, from, facts.classes)]
    }
}
