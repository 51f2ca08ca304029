package org.mobilevis.core.driver

import org.mobilevis.core.association.KernelAssociation
import org.mobilevis.core.association.Rows
import org.mobilevis.core.association.argmax
import org.mobilevis.core.association.orderByScore
import org.mobilevis.core.engine.Tensor

/**
 * The kernels of the last keyframe that are shown until the next one, by falling score.
 *
 * @param lookWidth values that an association compares of each.
 * @property kernels (1, S, D), zeros beyond the live ones: the entry's shape is fixed.
 */
internal class LiveKernels(
    facts: MobileInstFacts,
    lookWidth: Int,
) {
    val kernels = Tensor(facts.slots.shape)
    val ids = IntArray(facts.maxInstances)

    /** What an association compares of each. */
    val looks = Rows(lookWidth, facts.maxInstances)

    /** (S, L). */
    val classScores = FloatArray(facts.maxInstances * facts.classes)

    /** Which candidate of the keyframe each is. */
    val candidates = IntArray(facts.maxInstances)
    var count = 0
    private val zeros = FloatArray(facts.kernelWidth)

    /** Makes the kernels beyond the live ones zeros. */
    fun pad() {
        for (slot in count until candidates.size) kernels.write(zeros, slot * zeros.size)
    }
}

/**
 * Chooses which candidates of a keyframe are shown: the best by score, at most S.
 *
 * @param capacity most candidates.
 * @param association gives identities to the candidates; null where masks get them.
 * @param keptClasses which classes to show; null for all, or where tracks decide on the class.
 */
internal class KeyframeSelection(
    private val facts: MobileInstFacts,
    capacity: Int,
    private val scoreThreshold: Float,
    private val association: KernelAssociation?,
    private val keptClasses: BooleanArray?,
) {
    private val scores = FloatArray(capacity)
    private val best = IntArray(capacity)
    private val identities = IntArray(capacity)
    private val order = IntArray(capacity)

    /**
     * Choose.
     *
     * @param count number of candidates.
     * @param looks (count, D) that the association compares.
     * @param classScores (count, L) in [0, 1].
     * @param live takes identities, looks, class scores and which candidates they are of.
     */
    fun select(
        count: Int,
        looks: FloatArray,
        classScores: FloatArray,
        live: LiveKernels,
    ) {
        val classes = facts.classes
        for (candidate in 0 until count) {
            best[candidate] = argmax(classScores, candidate * classes, classes)
            scores[candidate] = classScores[candidate * classes + best[candidate]]
        }
        association?.update(looks, scores, count, identities)
        orderByScore(scores, count, order)
        live.count = 0
        for (place in 0 until count) {
            if (live.count == facts.maxInstances) break
            if (isKept(order[place])) add(order[place], looks, classScores, live)
        }
    }

    private fun isKept(candidate: Int): Boolean =
        scores[candidate] >= scoreThreshold &&
            (association == null || identities[candidate] > 0) &&
            (keptClasses == null || keptClasses[best[candidate]])

    private fun add(
        candidate: Int,
        looks: FloatArray,
        classScores: FloatArray,
        live: LiveKernels,
    ) {
        val classes = facts.classes
        val slot = live.count++
        live.candidates[slot] = candidate
        live.ids[slot] = identities[candidate]
        live.looks.copyRow(looks, candidate, slot)
        classScores.copyInto(live.classScores, slot * classes, candidate * classes, (candidate + 1) * classes)
    }
}
