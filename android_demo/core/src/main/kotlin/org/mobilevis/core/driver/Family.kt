package org.mobilevis.core.driver

import org.mobilevis.core.association.SameObject
import org.mobilevis.core.engine.Engine

/**
 * What differs among models whose kernels are reused between keyframes.
 *
 * @property maskThreshold foreground probability of a mask pixel, unless another is asked for.
 * @property sameObject from which overlap on masks are one object's, where the association fuses them.
 * @property classWeight what an appearance loses where the classes are not alike at all.
 * @property followsCamera whether masks are expected where the picture moved to; otherwise objects go on at their
 *   speeds.
 * @property embeddingWeight length of a kernel's embedding beside its mask's appearance, which has length 1; 0 where
 *   kernels do not say who is who.
 * @property partMasks whether what several instances of a class claim goes to one of them, unless asked for otherwise.
 * @property makeSource takes the classes to keep, null for all, and the logit of a mask's edge beside the artefact.
 * @property placeChannels of the mask features that say where, not what; the last ones.
 */
internal class Family(
    private val association: AssociationKind,
    private val associations: Set<AssociationKind>,
    val maskThreshold: Double,
    val sameObject: SameObject,
    val classWeight: Float,
    val followsCamera: Boolean,
    val embeddingWeight: Float,
    val partMasks: Boolean,
    val placeChannels: Int,
    val makeSource: (Engine, MobileInstFacts, MobileInstOptions, BooleanArray?, Float) -> KernelSource,
) {
    /**
     * The association that is asked for, or the family's own.
     *
     * @throws IllegalArgumentException the family has no such association.
     */
    fun choose(asked: AssociationKind?): AssociationKind {
        val chosen = asked ?: association
        require(chosen in associations) { "association ${chosen.word} needs queries: take another" }
        return chosen
    }
}

/** The paper's, with learned queries; 0.45 is SparseInst's threshold. */
internal val LEARNED_QUERIES =
    Family(
        AssociationKind.SLOTS,
        AssociationKind.entries.toSet(),
        maskThreshold = 0.45,
        sameObject = SameObject(anew = 0.4f, still = 0.4f),
        classWeight = 0.8f,
        followsCamera = false,
        embeddingWeight = 0f,
        partMasks = false,
        placeChannels = 0,
    ) { engine, facts, _, _, _ ->
        QueryKernels(engine, facts)
    }

/** Ours, with a detector's cells. */
internal val DENSE_KERNELS =
    Family(
        AssociationKind.ONLINE,
        AssociationKind.entries.toSet() - AssociationKind.SLOTS,
        maskThreshold = 0.4,
        sameObject = SameObject(anew = 0.7f, still = 0.35f),
        classWeight = 0.2f,
        followsCamera = true,
        embeddingWeight = 0.5f,
        partMasks = true,
        placeChannels = PLACE_CHANNELS,
    ) { engine, facts, options, keptClasses, maskLogit ->
        DenseKernels(engine, facts, options.nmsIou.toFloat(), options.scoreThreshold.toFloat(), keptClasses, maskLogit)
    }
