package org.mobilevis.core.driver

import org.mobilevis.core.Stages
import org.mobilevis.core.association.CameraWatch
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.LogitPlane

/**
 * What a first look says of an object's size, and of the place of one that went with the camera, counts so much against
 * what was expected.
 */
private const val LOOK_WEIGHT = 0.35

/**
 * A detector's cells as instances: on keyframes the client chooses cells; on the frames between, a reused kernel's
 * place is its object's box of the frame, or follows its last mask.
 *
 * @param engine runs `decode` and `describe`.
 * @param facts the artefact's sizes.
 * @param nmsIou a cell is dropped for a better one of its class whose box overlaps it by more.
 * @param scoreThreshold cells below it show nothing.
 * @param keptClasses which classes to show; null for all.
 * @param maskLogit logit above which a mask's cell is foreground.
 * @throws IllegalArgumentException the artefact lacks boxes, embeddings or an entry, or their sizes do not fit.
 */
internal class DenseKernels(
    engine: Engine,
    private val facts: MobileInstFacts,
    nmsIou: Float,
    scoreThreshold: Float,
    private val keptClasses: BooleanArray?,
    private val maskLogit: Float,
) : KernelSource {
    private val cells = facts.objectness.shape[1]
    override val capacity = facts.maxInstances
    private val likely = LikelyCells(cells, scoreThreshold)
    private val scorer = cellScorer(engine, likely.indices.size)
    private val describer = cellDescriber(engine, capacity)
    override val lookWidth = facts.embeddings.shape[2]
    private val choice = CellChoice(likely.indices.size, facts.classes, scoreThreshold, nmsIou, capacity)
    private val cellBoxes = FloatArray(4 * cells)
    private val objectness = FloatArray(cells)
    private val likelyBoxes = FloatArray(4 * likely.indices.size)
    private val chosenCells = IntArray(capacity)
    private val chosenScores = FloatArray(capacity * facts.classes)
    private val kernels = FloatArray(facts.slots.elements)
    private val moved = FloatArray(facts.kernelWidth)
    private val finder = BoxFinder(cells, capacity)

    /** (S, 4) each: the detector's on the keyframe, and where they are on this frame. */
    private val keyframeBoxes = FloatArray(4 * capacity)
    private val boxes = FloatArray(4 * capacity)

    /** (S, 4) each: what the detector saw last; tight boxes of the masks there, on the last frame, at a first look. */
    private val seen = FloatArray(4 * capacity)
    private val start = FloatArray(4 * capacity)
    private val last = FloatArray(4 * capacity)
    private val looked = FloatArray(4 * capacity)
    private val isSeen = BooleanArray(capacity)

    /** Whether the camera carried them here since the last frame, and that frame's masks. */
    private val isCarried = BooleanArray(capacity)
    private val regions = List(capacity) { BitMask(facts.masks.shape[2], facts.masks.shape[3]) }
    private val box = FloatArray(4)
    private val motion = BoxMotion()

    init {
        require(facts.boxes.elements == cellBoxes.size && facts.kernelWidth > PLACE_CHANNELS) {
            "kernels do not fit the artefact's other sizes"
        }
    }

    override fun choose(
        encoded: Map<String, Tensor>,
        selection: KeyframeSelection,
        live: LiveKernels,
        stages: Stages,
    ) {
        val found =
            stages.time("selection") {
                encoded.getValue("objectness").read(objectness)
                likely.find(objectness)
            }
        stages.time("decode") { scorer.run(encoded, likely.indices, found) }
        val chosen =
            stages.time("selection") {
                encoded.getValue("boxes").read(cellBoxes)
                chooseCells(found)
            }
        stages.time("describe") { describer.run(encoded, chosenCells, chosen) }
        stages.time("association") {
            selection.select(chosen, describer.said.getValue("embeddings"), chosenScores, live)
            hold(live)
        }
    }

    /** @param found how many cells are likely. */
    private fun chooseCells(found: Int): Int {
        val classes = facts.classes
        val scores = scorer.said.getValue("scores")
        if (keptClasses != null) {
            for (i in 0 until found * classes) if (!keptClasses[i % classes]) scores[i] = 0f
        }
        for (row in 0 until found) {
            val cell = likely.indices[row]
            cellBoxes.copyInto(likelyBoxes, 4 * row, 4 * cell, 4 * cell + 4)
        }
        val count = choice.choose(scores, likelyBoxes, found)
        for (row in 0 until count) {
            val from = choice.chosen[row]
            chosenCells[row] = likely.indices[from]
            scores.copyInto(chosenScores, row * classes, from * classes, (from + 1) * classes)
        }
        return count
    }

    private fun hold(live: LiveKernels) {
        val described = describer.said.getValue("kernels")
        val width = facts.kernelWidth
        for (slot in 0 until live.count) {
            val from = live.candidates[slot]
            val cell = chosenCells[from]
            described.copyInto(kernels, slot * width, from * width, (from + 1) * width)
            cellBoxes.copyInto(keyframeBoxes, 4 * slot, 4 * cell, 4 * cell + 4)
        }
        for (places in listOf(boxes, seen, start, last)) keyframeBoxes.copyInto(places)
        isSeen.fill(true)
        live.pad()
    }

    override fun reuse(
        encoded: Map<String, Tensor>,
        live: LiveKernels,
        camera: CameraWatch?,
        stages: Stages,
    ) = stages.time("selection") {
        isSeen.fill(false)
        when {
            !facts.propagates -> followBoxes(encoded, live)
            live.count > 0 -> followCamera(live, camera)
        }
    }

    private fun followBoxes(
        encoded: Map<String, Tensor>,
        live: LiveKernels,
    ) {
        for (slot in 0 until live.count) {
            motion.between(start, last, 4 * slot)
            motion.moveBox(seen, 4 * slot, box)
            box.copyInto(boxes, 4 * slot)
        }
        encoded.getValue("objectness").read(objectness)
        encoded.getValue("boxes").read(cellBoxes)
        finder.find(boxes, live.count, cellBoxes, objectness, isSeen)
    }

    /** Objects go on with the camera, or stay. */
    private fun followCamera(
        live: LiveKernels,
        camera: CameraWatch?,
    ) {
        val told = camera?.findMotion()
        isCarried.fill(false)
        if (told == null) return
        for (slot in 0 until live.count) {
            isCarried[slot] = told.carries(regions[slot], facts.maskStride)
            if (isCarried[slot]) told.moveBox(boxes, 4 * slot)
        }
    }

    override fun write(live: LiveKernels) {
        val width = facts.kernelWidth
        for (slot in 0 until live.count) {
            motion.between(keyframeBoxes, boxes, 4 * slot)
            motion.moveKernel(kernels, slot * width, moved)
            live.kernels.write(moved, slot * width)
        }
    }

    /**
     * An object that went its own way is where its mask is, one that went with the camera is nearer to it; one whose
     * mask is empty is where it was expected.
     */
    override fun look(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    ): Boolean {
        stages.time("masks") {
            for (slot in 0 until live.count) {
                cut(slot, plane, LOOK_MARGIN)
                if (!findTight(slot, plane, looked)) continue
                motion.between(start, looked, 4 * slot)
                motion.moveBox(seen, 4 * slot, box)
                approach(slot)
            }
        }
        return true
    }

    /** Moves an object from where it was expected towards [box]. */
    private fun approach(slot: Int) {
        val weight = if (isCarried[slot]) LOOK_WEIGHT else 1.0
        for (low in 4 * slot until 4 * slot + 2) {
            val high = low + 2
            val (from, to) = boxes[low].toDouble() to boxes[high].toDouble()
            val (lookedFrom, lookedTo) = box[low - 4 * slot].toDouble() to box[high - 4 * slot].toDouble()
            val centre = (from + to) / 2.0 + weight * ((lookedFrom + lookedTo) / 2.0 - (from + to) / 2.0)
            val side = to - from + LOOK_WEIGHT * (lookedTo - lookedFrom - (to - from))
            boxes[low] = (centre - side / 2.0).toFloat()
            boxes[high] = (centre + side / 2.0).toFloat()
        }
    }

    override fun onMasks(
        live: LiveKernels,
        plane: LogitPlane,
        stages: Stages,
    ) = stages.time("masks") {
        for (slot in 0 until live.count) {
            // What a look says is compared with what it would have said on the keyframe.
            if (facts.propagates) cut(slot, plane, LOOK_MARGIN)
            val isLooked = facts.propagates && findTight(slot, plane, last)
            cut(slot, plane, if (isSeen[slot]) BOX_MARGIN else REUSED_MARGIN)
            if (facts.propagates) plane.threshold(maskLogit, regions[slot])
            val isHeld = isLooked || !facts.propagates && findTight(slot, plane, last)
            // An empty mask leaves its object where it was.
            if (!isHeld && isSeen[slot]) box.copyInto(last, 4 * slot)
            if (!isSeen[slot]) continue
            box.copyInto(seen, 4 * slot)
            last.copyInto(start, 4 * slot, 4 * slot, 4 * slot + 4)
        }
    }

    /** Leaves the object's box in [box]. */
    private fun cut(
        slot: Int,
        plane: LogitPlane,
        margin: Float,
    ) {
        val (height, width) = facts.masks.shape.takeLast(2)
        boxes.copyInto(box, 0, 4 * slot, 4 * slot + 4)
        plane.offset = slot * height * width
        cutToBox(plane.values, plane.offset, height, width, box, margin, maskLogit)
    }

    /** Writes the tight box of a mask into [places]; an empty mask has none. */
    private fun findTight(
        slot: Int,
        plane: LogitPlane,
        places: FloatArray,
    ): Boolean {
        val found = plane.foregroundBox(maskLogit) ?: return false
        val (height, width) = facts.masks.shape.takeLast(2)
        places[4 * slot] = begin(found.x0, width)
        places[4 * slot + 1] = begin(found.y0, height)
        places[4 * slot + 2] = end(found.x1, width)
        places[4 * slot + 3] = end(found.y1, height)
        return true
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
