package org.mobilevis.core.driver

import org.mobilevis.core.Stages
import org.mobilevis.core.association.CameraWatch
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.mask.LogitPlane

/** Where a family's kernels come from on keyframes, and what becomes of them on the frames between. */
internal interface KernelSource {
    /** Values that the association of keyframes compares, for each candidate. */
    val lookWidth: Int

    /** Most candidates of a keyframe. */
    val capacity: Int

    /**
     * Take a keyframe's kernels.
     *
     * @param encoded outputs of `encode`.
     * @param selection chooses among candidates.
     * @param live takes what is shown, all but the kernels themselves.
     */
    fun choose(
        encoded: Map<String, Tensor>,
        selection: KeyframeSelection,
        live: LiveKernels,
        stages: Stages,
    )

    /**
     * Take a frame between keyframes.
     *
     * @param encoded outputs of `encode` or `propagate`.
     * @param camera tells how it moved; null where the family does not follow it.
     */
    fun reuse(
        encoded: Map<String, Tensor>,
        live: LiveKernels,
        camera: CameraWatch?,
        stages: Stages,
    )

    /** Write the live kernels as this frame needs them. */
    fun write(live: LiveKernels)

    /**
     * Take a first look at the masks of a frame that was propagated.
     *
     * @param plane as [onMasks] has it.
     * @return whether the kernels are to be written and segmented anew.
     */
    fun look(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    ): Boolean

    /**
     * Take the frame's masks, and change what is not to be shown of them.
     *
     * @param plane window into their logits, moved from mask to mask; its size is that of the cells without padding.
     */
    fun onMasks(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    )
}

/** Learned queries: N kernels, reused as they are (MobileInst Eq. 2). */
internal class QueryKernels(
    private val engine: Engine,
    private val facts: MobileInstFacts,
) : KernelSource {
    override val lookWidth = facts.kernelWidth
    override val capacity = facts.queries
    private val kernels = FloatArray(facts.kernels.elements)
    private val classScores = FloatArray(facts.scores.elements)
    private val decode = engine.metadata.entries.getValue("decode")

    override fun choose(
        encoded: Map<String, Tensor>,
        selection: KeyframeSelection,
        live: LiveKernels,
        stages: Stages,
    ) {
        val decoded =
            stages.time("decode") {
                engine.run("decode", decode.inputs.associate { it.name to encoded.getValue(it.name) })
            }
        stages.time("association") { select(decoded, selection, live) }
    }

    private fun select(
        decoded: Map<String, Tensor>,
        selection: KeyframeSelection,
        live: LiveKernels,
    ) {
        decoded.getValue("kernels").read(kernels)
        decoded.getValue("scores").read(classScores)
        selection.select(facts.queries, kernels, classScores, live)
        val width = facts.kernelWidth
        for (slot in 0 until live.count) {
            live.kernels.write(kernels, slot * width, width, live.candidates[slot] * width)
        }
        live.pad()
    }

    override fun reuse(
        encoded: Map<String, Tensor>,
        live: LiveKernels,
        camera: CameraWatch?,
        stages: Stages,
    ) = Unit

    override fun write(live: LiveKernels) = Unit

    override fun look(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    ) = false

    override fun onMasks(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    ) = Unit
}
