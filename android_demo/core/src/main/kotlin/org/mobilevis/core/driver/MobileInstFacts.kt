package org.mobilevis.core.driver

import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.TensorSpec

/**
 * The sizes of a MobileInst artefact, checked against each other once, so that no frame can meet a surprise.
 *
 * @throws IllegalArgumentException an entry, a tensor or an option is missing, or sizes do not fit together.
 */
internal class MobileInstFacts(
    private val metadata: Metadata,
) {
    val keyframeInterval = wholeNumber(metadata, "keyframe_interval")
    val maxInstances = wholeNumber(metadata, "max_instances")
    val maskStride = wholeNumber(metadata, "mask_stride")

    /** (1, 3, H, W) RGB in [0, 255]. */
    val frame = input(metadata, "encode", "frame", 4)

    /** (1, C, h, w). */
    val features = output(metadata, "encode", "mask_features", 4)

    /** Whether the frames between keyframes have an entry of their own. */
    val propagates = "propagate" in metadata.entries

    /** (1, N, L), of learned queries, or of as many of a detector's cells as a run takes. */
    val scores = output(metadata, "decode", "scores", 3)

    /** (1, S, D). */
    val slots = input(metadata, "segment", "kernels", 3)

    /** (1, S, r·h, r·w). */
    val masks = output(metadata, "segment", "mask_logits", 4)

    val queries = scores.shape[1]
    val kernelWidth = slots.shape[2]
    val classes = scores.shape[2]

    /** Mask cells for each cell of the mask features. */
    val ratio = masks.shape[2] / features.shape[2]

    init {
        val (height, width) = metadata.inputSize
        check(frame.shape == listOf(1, 3, height, width), "frame")
        check(classes == metadata.classes.size, "scores")
        if (propagates) {
            val fits =
                input(metadata, "propagate", "frame", 4).shape == frame.shape &&
                    input(metadata, "propagate", "keyframe_features", 4).shape == features.shape &&
                    output(metadata, "propagate", "mask_features", 4).shape == features.shape
            check(fits, "propagate")
        }
        check(slots.shape[1] == maxInstances, "kernels of segment")
        check(masks.shape[1] == maxInstances, "mask_logits")
        check(masks.shape[2] * maskStride >= height && masks.shape[3] * maskStride >= width, "mask_stride")
        check(ratio >= 1 && masks.shape[2] == ratio * features.shape[2], "mask_features")
        check(masks.shape[3] == ratio * features.shape[3], "mask_features")
    }

    /** (1, N, D), of learned queries. */
    val kernels by lazy { output(metadata, "decode", "kernels", listOf(queries, kernelWidth)) }

    /** (1, A, 1) in [0, 1], of a detector's cells. */
    val objectness by lazy { output(metadata, "encode", "objectness", 3).also { check(it.shape[2] == 1, it.name) } }

    /** (1, A, 4). */
    val boxes by lazy { output(metadata, "encode", "boxes", listOf(objectness.shape[1], 4)) }

    /** (1, n, E), of as many chosen cells as a run takes. */
    val embeddings by lazy {
        val embeddings = output(metadata, "describe", "embeddings", 3)
        output(metadata, "describe", "kernels", listOf(embeddings.shape[1], kernelWidth))
        embeddings
    }

    private companion object {
        fun check(
            fits: Boolean,
            what: String,
        ) = require(fits) { "$what does not fit the artefact's other sizes" }

        fun wholeNumber(
            metadata: Metadata,
            option: String,
        ): Int {
            val value = metadata.options[option]
            require(value is Long && value in 1..Int.MAX_VALUE) { "option $option of the artefact is $value" }
            return value.toInt()
        }

        fun input(
            metadata: Metadata,
            entry: String,
            name: String,
            rank: Int,
        ) = tensor(metadata.entries[entry]?.inputs, "input $name of entry $entry", name, rank)

        fun output(
            metadata: Metadata,
            entry: String,
            name: String,
            rank: Int,
        ) = tensor(metadata.entries[entry]?.outputs, "output $name of entry $entry", name, rank)

        /** An output of shape (1, …). */
        fun output(
            metadata: Metadata,
            entry: String,
            name: String,
            shape: List<Int>,
        ) = output(metadata, entry, name, shape.size + 1).also { check(it.shape.drop(1) == shape, name) }

        private fun tensor(
            tensors: List<TensorSpec>?,
            what: String,
            name: String,
            rank: Int,
        ): TensorSpec {
            val found = requireNotNull(tensors?.firstOrNull { it.name == name }) { "the artefact has no $what" }
            require(found.shape.size == rank && found.shape[0] == 1) { "$what has shape ${found.shape}" }
            return found
        }
    }
}
