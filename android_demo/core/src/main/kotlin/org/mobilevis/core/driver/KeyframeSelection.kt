package org.mobilevis.core.driver

import org.mobilevis.core.association.argmax
import org.mobilevis.core.association.orderByScore
import org.mobilevis.core.engine.Tensor

/**
 * The kernels of the last keyframe that are shown until the next one, by falling score.
 *
 * @property kernels (1, S, D), zeros beyond the live ones: the entry's shape is fixed.
 */
internal class LiveKernels(
    facts: MobileInstFacts,
) {
    val kernels = Tensor(facts.slots.shape)
    val ids = IntArray(facts.maxInstances)

    /** (S, L). */
    val classScores = FloatArray(facts.maxInstances * facts.classes)
    var count = 0
}

/** Chooses which of a keyframe's kernels are shown; families of models differ in it. */
internal fun interface KeyframeSelection {
    /**
     * Choose.
     *
     * @param kernels (N, D).
     * @param classScores (N, L) in [0, 1].
     * @param live takes the chosen kernels, their identities and their class scores.
     */
    fun select(
        kernels: FloatArray,
        classScores: FloatArray,
        live: LiveKernels,
    )
}

/**
 * Learned queries: the best by score, at most S.
 *
 * @param identify gives identities to all N kernels, 0 to those that are no object; null where masks get them.
 * @param keptClasses which classes to show; null for all, or where tracks decide on the class.
 */
internal class QuerySelection(
    private val facts: MobileInstFacts,
    private val scoreThreshold: Float,
    private val identify: ((kernels: FloatArray, scores: FloatArray, identities: IntArray) -> Unit)?,
    private val keptClasses: BooleanArray?,
) : KeyframeSelection {
    private val scores = FloatArray(facts.queries)
    private val best = IntArray(facts.queries)
    private val identities = IntArray(facts.queries)
    private val order = IntArray(facts.queries)
    private val zeros = FloatArray(facts.kernelWidth)

    override fun select(
        kernels: FloatArray,
        classScores: FloatArray,
        live: LiveKernels,
    ) {
        val classes = facts.classes
        for (query in scores.indices) {
            best[query] = argmax(classScores, query * classes, classes)
            scores[query] = classScores[query * classes + best[query]]
        }
        identify?.invoke(kernels, scores, identities)
        orderByScore(scores, scores.size, order)
        live.count = 0
        for (query in order) {
            if (live.count == facts.maxInstances) break
            if (isKept(query)) add(query, kernels, classScores, live)
        }
        for (slot in live.count until facts.maxInstances) live.kernels.write(zeros, slot * zeros.size)
    }

    private fun isKept(query: Int): Boolean =
        scores[query] >= scoreThreshold &&
            (identify == null || identities[query] > 0) &&
            (keptClasses == null || keptClasses[best[query]])

    private fun add(
        query: Int,
        kernels: FloatArray,
        classScores: FloatArray,
        live: LiveKernels,
    ) {
        val width = facts.kernelWidth
        val classes = facts.classes
        val slot = live.count++
        live.kernels.write(kernels, slot * width, width, query * width)
        live.ids[slot] = identities[query]
        classScores.copyInto(live.classScores, slot * classes, query * classes, (query + 1) * classes)
    }
}
