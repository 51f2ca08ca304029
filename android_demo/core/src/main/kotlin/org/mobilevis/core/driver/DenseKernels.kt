package org.mobilevis.core.driver

import org.mobilevis.core.Stages
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.mask.LogitPlane

/**
 * A detector's cells as instances: on keyframes the client chooses cells; on the frames between, a reused kernel's
 * place follows its object's last mask.
 *
 * @param facts the artefact's sizes.
 * @param nmsIou a cell is dropped for a better one of its class whose box overlaps it by more.
 * @param scoreThreshold cells below it show nothing.
 * @param keptClasses which classes to show; null for all.
 * @param maskLogit logit above which a mask's cell is foreground.
 * @throws IllegalArgumentException the artefact lacks boxes or embeddings, or their sizes do not fit.
 */
internal class DenseKernels(
    private val facts: MobileInstFacts,
    nmsIou: Float,
    scoreThreshold: Float,
    private val keptClasses: BooleanArray?,
    private val maskLogit: Float,
) : KernelSource {
    private val cells = facts.queries
    private val embeddings = facts.candidates("embeddings")
    override val lookWidth = embeddings.shape[2]
    override val capacity = facts.maxInstances
    private val choice = CellChoice(cells, facts.classes, scoreThreshold, nmsIou, facts.maxInstances)
    private val classScores = FloatArray(facts.scores.elements)
    private val cellBoxes = FloatArray(4 * cells)
    private val chosenScores = FloatArray(capacity * facts.classes)
    private val chosenLooks = FloatArray(capacity * lookWidth)
    private val kernels = FloatArray(facts.slots.elements)
    private val moved = FloatArray(facts.kernelWidth)

    /** (S, 4) each: the detector's, of the keyframe's mask, and of the last frame's. */
    private val boxes = FloatArray(4 * capacity)
    private val start = FloatArray(4 * capacity)
    private val last = FloatArray(4 * capacity)
    private val movedBox = FloatArray(4)
    private val motion = BoxMotion()
    private var isFresh = true

    init {
        require(facts.candidates("boxes").shape[2] == 4 && facts.kernelWidth > PLACE_CHANNELS) {
            "boxes or kernels do not fit the artefact's other sizes"
        }
    }

    override fun choose(
        decoded: Map<String, Tensor>,
        selection: KeyframeSelection,
        live: LiveKernels,
        stages: Stages,
    ) {
        val chosen = stages.time("selection") { chooseCells(decoded) }
        stages.time("association") {
            val looks = decoded.getValue("embeddings")
            for (row in 0 until chosen) {
                looks.read(chosenLooks, choice.chosen[row] * lookWidth, lookWidth, row * lookWidth)
            }
            selection.select(chosen, chosenLooks, chosenScores, live)
            hold(decoded.getValue("kernels"), live)
        }
    }

    private fun chooseCells(decoded: Map<String, Tensor>): Int {
        val classes = facts.classes
        decoded.getValue("scores").read(classScores)
        decoded.getValue("boxes").read(cellBoxes)
        if (keptClasses != null) {
            for (i in classScores.indices) if (!keptClasses[i % classes]) classScores[i] = 0f
        }
        val count = choice.choose(classScores, cellBoxes)
        for (row in 0 until count) {
            val from = choice.chosen[row] * classes
            classScores.copyInto(chosenScores, row * classes, from, from + classes)
        }
        return count
    }

    private fun hold(
        decoded: Tensor,
        live: LiveKernels,
    ) {
        val width = facts.kernelWidth
        for (slot in 0 until live.count) {
            val cell = choice.chosen[live.candidates[slot]]
            decoded.read(kernels, cell * width, width, slot * width)
            cellBoxes.copyInto(boxes, 4 * slot, 4 * cell, 4 * cell + 4)
        }
        boxes.copyInto(start)
        boxes.copyInto(last)
        isFresh = true
        live.pad()
    }

    override fun write(live: LiveKernels) {
        val width = facts.kernelWidth
        for (slot in 0 until live.count) {
            motion.between(start, last, 4 * slot)
            motion.moveKernel(kernels, slot * width, moved)
            live.kernels.write(moved, slot * width)
        }
    }

    override fun onMasks(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    ) = stages.time("masks") {
        val (height, width) = facts.masks.shape.takeLast(2)
        val margin = if (isFresh) BOX_MARGIN else REUSED_MARGIN
        for (slot in 0 until live.count) {
            motion.between(start, last, 4 * slot)
            motion.moveBox(boxes, 4 * slot, movedBox)
            plane.offset = slot * height * width
            cutToBox(plane.values, plane.offset, height, width, movedBox, margin)
            see(slot, plane, height, width)
        }
        if (isFresh) last.copyInto(start)
        isFresh = false
    }

    /** An empty mask leaves its object where it was. */
    private fun see(
        slot: Int,
        plane: LogitPlane,
        height: Int,
        width: Int,
    ) {
        val found = plane.foregroundBox(maskLogit) ?: return
        last[4 * slot] = begin(found.x0, width)
        last[4 * slot + 1] = begin(found.y0, height)
        last[4 * slot + 2] = end(found.x1, width)
        last[4 * slot + 3] = end(found.y1, height)
    }

    private companion object {
        fun begin(
            cell: Int,
            length: Int,
        ): Float = (cell.toDouble() / length).toFloat()

        fun end(
            cell: Int,
            length: Int,
        ): Float = (1.0 - (length - cell).toDouble() / length).toFloat()
    }
}
