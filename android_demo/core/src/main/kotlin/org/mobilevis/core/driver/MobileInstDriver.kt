package org.mobilevis.core.driver

import org.mobilevis.core.FrameResult
import org.mobilevis.core.Instance
import org.mobilevis.core.Stages
import org.mobilevis.core.association.AppearanceAssociation
import org.mobilevis.core.association.CameraWatch
import org.mobilevis.core.association.OnlineAssociation
import org.mobilevis.core.association.SlotAssociation
import org.mobilevis.core.association.argmax
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.frame.LetterboxResizer
import org.mobilevis.core.mask.LogitPlane
import org.mobilevis.core.mask.MaskUpsampler
import org.mobilevis.core.mask.logit
import org.mobilevis.core.metadata.Size

/**
 * MobileInst's frame-level driver: kernel reuse and kernel association (MobileInst §3.4, Eq. 2). Runs `encode` and
 * `segment` on every frame and `decode` on keyframes. An artefact that has `propagate` runs it in place of `encode` on
 * the frames between keyframes.
 *
 * @param engine the loaded artefact; the caller closes it.
 * @param options how to run it.
 * @param family where the kernels come from.
 * @throws IllegalArgumentException the artefact's sizes do not fit together, or a class name is not one of its.
 */
class MobileInstDriver internal constructor(
    private val engine: Engine,
    private val options: MobileInstOptions,
    private val family: Family,
) : Driver {
    private val facts = MobileInstFacts(engine.metadata)
    private val interval = options.keyframeInterval ?: facts.keyframeInterval
    private val budget =
        when (options.keyframePolicy) {
            KeyframePolicy.FIXED -> null
            KeyframePolicy.DRIFT -> KeyframeBudget(interval, options.longestInterval, options.shortestInterval)
        }
    private val scoreThreshold = options.scoreThreshold.toFloat()
    private val association = family.choose(options.association)
    private val maskLogit = logit(options.maskThreshold ?: family.maskThreshold)
    private val keptClasses = classFilter(engine.metadata.classes, options.classes)
    private val partMasks = options.partMasks ?: family.partMasks
    private val source = family.makeSource(engine, facts, options, keptClasses, maskLogit)
    private val stages = Stages()
    private val frameInput = mapOf("frame" to Tensor(facts.frame.shape))

    /** The frame, and the keyframe's mask features, which are the engine's own until the next keyframe. */
    private var propagateInputs = frameInput
    private val logits = FloatArray(facts.masks.elements)
    private val features = FloatArray(facts.features.elements)
    private val live = LiveKernels(facts, source.lookWidth)
    private val shown = Shown(facts.maxInstances)
    private var frameIndex = 0
    private var geometry: Geometry? = null
    private var selection = makeSelection()

    /** (S, r·h, r·w) logits that the last frame's masks were made of; tests look at a mask's very edge. */
    internal val shownLogits: FloatArray get() = geometry?.tracking?.fused ?: logits

    override fun reset() {
        frameIndex = 0
        geometry = null
        live.count = 0
        selection = makeSelection()
    }

    override fun push(frame: Frame): FrameResult {
        val size = Size(frame.height, frame.width)
        var isKeyframe = false
        stages.clear()
        val instances =
            stages.time("frame") {
                val place = stages.time("resize") { resize(frame, size) }
                place.camera?.show()
                val (encoded, decodes) = look(place.keyframes)
                isKeyframe = decodes
                if (isKeyframe) {
                    source.choose(encoded, selection, live, stages)
                } else {
                    source.reuse(encoded, live, place.camera, stages)
                }
                segment(encoded.getValue("mask_features"), place, isKeyframe)
            }
        return FrameResult(frameIndex++, size, instances, isKeyframe, stages.milliseconds)
    }

    /** What the network sees in the frame that was resized, and whether it is a keyframe. */
    private fun look(keyframes: Keyframes): Pair<Map<String, Tensor>, Boolean> {
        if (!facts.propagates) {
            val encoded = stages.time("encode") { engine.run("encode", frameInput) }
            if (!keyframes.readsFeatures) return encoded to keyframes.decide(null)
            return encoded to stages.time("policy") { keyframes.decide(encoded.getValue("mask_features")) }
        }
        // Which entry reads the frame hangs on what the frames before it showed.
        if (keyframes.decide(null)) {
            val encoded = stages.time("encode") { engine.run("encode", frameInput) }
            propagateInputs = frameInput + ("keyframe_features" to encoded.getValue("mask_features"))
            return encoded to true
        }
        val propagated = stages.time("propagate") { engine.run("propagate", propagateInputs) }
        if (keyframes.readsFeatures) {
            stages.time("policy") { keyframes.watch(propagated.getValue("mask_features")) }
        }
        return propagated to false
    }

    private fun resize(
        frame: Frame,
        size: Size,
    ): Geometry {
        val input = frameInput.getValue("frame")
        var place = geometry
        if (place == null || place.letterbox.frame != size) {
            place = Geometry(Letterbox.fit(size, engine.metadata.inputSize))
            geometry = place
            input.write(FloatArray(input.size))
        }
        place.resizer.resize(frame, input)
        return place
    }

    private fun segment(
        maskFeatures: Tensor,
        place: Geometry,
        isKeyframe: Boolean,
    ): List<Instance> {
        if (live.count == 0) {
            place.tracking?.followNothing()
            return emptyList()
        }
        segmentLive(maskFeatures, place)
        val isPropagated = facts.propagates && !isKeyframe
        if (isPropagated && source.look(live, place.plane, stages)) segmentLive(maskFeatures, place)
        source.onMasks(live, place.plane, stages)
        if (isKeyframe && facts.propagates) place.camera?.let { stages.time("masks") { it.look() } }
        shown.clear()
        val tracking = place.tracking
        if (tracking != null) {
            stages.time("association") {
                maskFeatures.read(features)
                tracking.follow(live, logits, features, isKeyframe, shown)
            }
        } else {
            // Rescored once: frames that reuse the kernels reuse the class scores too (Fig. 6).
            if (isKeyframe) stages.time("masks") { rescore(place) }
            showLive(place)
        }
        return stages.time("masks") {
            val plane = tracking?.fusedPlane ?: place.plane
            if (partMasks) shown.partMasks(plane, maskLogit)
            shown.instances(plane, place.upsampler, place.letterbox, scoreThreshold)
        }
    }

    private fun segmentLive(
        maskFeatures: Tensor,
        place: Geometry,
    ) = stages.time("segment") {
        source.write(live)
        val output = engine.run("segment", mapOf("kernels" to live.kernels, "mask_features" to maskFeatures))
        output.getValue("mask_logits").read(logits, count = live.count * place.planeSize)
    }

    private fun rescore(place: Geometry) {
        for (slot in 0 until live.count) {
            place.plane.offset = slot * place.planeSize
            val factor = place.plane.maskness(maskLogit)
            for (i in slot * facts.classes until (slot + 1) * facts.classes) live.classScores[i] *= factor
        }
    }

    private fun showLive(place: Geometry) {
        for (slot in 0 until live.count) {
            val from = slot * facts.classes
            val best = argmax(live.classScores, from, facts.classes)
            shown.add(live.ids[slot], best, live.classScores[from + best], slot * place.planeSize)
        }
    }

    private fun makeSelection(): KeyframeSelection {
        val kernelAssociation =
            when (association) {
                AssociationKind.APPEARANCE -> null
                AssociationKind.SLOTS -> SlotAssociation(source.lookWidth)
                AssociationKind.ONLINE ->
                    OnlineAssociation(
                        source.lookWidth,
                        scoreThreshold,
                        options.matchCosine.toFloat(),
                        options.keepLost ?: ONLINE_KEEP_LOST,
                    )
            }
        val shownClasses = if (kernelAssociation == null) null else keptClasses
        return KeyframeSelection(facts, source.capacity, scoreThreshold, kernelAssociation, shownClasses)
    }

    /** What follows from the size of the video's frames. */
    private inner class Geometry(
        val letterbox: Letterbox,
    ) {
        private val content = letterbox.contentCells(facts.maskStride)
        val planeSize = facts.masks.shape[2] * facts.masks.shape[3]
        val resizer = LetterboxResizer(letterbox)
        val upsampler = MaskUpsampler(letterbox, facts.maskStride, maskLogit)
        val plane = LogitPlane(logits, facts.masks.shape[3], content)
        val camera =
            if (family.followsCamera) {
                CameraWatch(frameInput.getValue("frame"), letterbox, facts.propagates)
            } else {
                null
            }
        val tracking =
            if (association == AssociationKind.APPEARANCE) {
                AppearanceTracking(
                    facts,
                    family,
                    source.lookWidth,
                    scoreThreshold,
                    content,
                    maskLogit,
                    keptClasses,
                    tracks(),
                    camera,
                )
            } else {
                null
            }

        val keyframes = makeKeyframes()

        private fun makeKeyframes(): Keyframes {
            if (budget == null) return EveryTthFrame(interval)
            val shape = facts.features.shape
            val seen = letterbox.contentCells(letterbox.input.height / shape[2])
            val grid = CellGrid(shape, shape[1] - family.placeChannels, seen)
            return DriftKeyframes(budget, grid)
        }

        private fun tracks() =
            AppearanceAssociation(
                facts.classes,
                options.matchSimilarity.toFloat(),
                options.birthScore.toFloat(),
                options.keepLost ?: APPEARANCE_KEEP_LOST,
                family.classWeight,
                followsCamera = camera != null,
            )
    }

    private companion object {
        const val ONLINE_KEEP_LOST = 10
        const val APPEARANCE_KEEP_LOST = 30
    }
}
