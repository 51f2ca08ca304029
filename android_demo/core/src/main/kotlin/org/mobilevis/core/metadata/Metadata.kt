package org.mobilevis.core.metadata

/** The key under which an artefact carries its metadata, in each of the three formats. */
const val METADATA_KEY = "mobilevis"

/** Longer texts are not our metadata: refused before they are read. */
const val MAX_METADATA_BYTES = 1 shl 20

/** 1 GiB of float32: no phone model has a larger tensor at an entry. */
const val MAX_TENSOR_ELEMENTS = 1 shl 28

/** The versions of the metadata that this code reads; 1 had options that no driver reads. */
val READABLE_SCHEMAS = listOf(1L, 2L)

/**
 * One input or output of an entry: contiguous float32 of a fixed shape.
 *
 * @throws IllegalArgumentException another dtype, or a shape that is empty, not positive or absurdly large.
 */
data class TensorSpec(
    val name: String,
    val shape: List<Int>,
) {
    /** Number of elements. */
    val elements: Int = elementsOf(name, shape)

    private companion object {
        fun elementsOf(
            name: String,
            shape: List<Int>,
        ): Int {
            require(shape.isNotEmpty() && shape.all { it >= 1 }) {
                "tensor $name: shape ${pythonTuple(shape)} is not a list of positive integers"
            }
            val product = shape.fold(1L) { all, n -> if (all > MAX_TENSOR_ELEMENTS) all else all * n }
            require(product <= MAX_TENSOR_ELEMENTS) {
                "tensor $name: shape ${pythonTuple(shape)} is larger than any known model's"
            }
            return product.toInt()
        }
    }
}

/** The signature of one stateless entry, in the order of the exported graph. */
data class EntrySpec(
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
)

/** A class: the data set's own [id] (from 1, with gaps in COCO; results files carry it) and its [name]. */
data class Category(
    val id: Int,
    val name: String,
)

/** Height and width in pixels or cells, in this order. */
data class Size(
    val height: Int,
    val width: Int,
) {
    override fun toString() = "${height}x$width"
}

/**
 * Everything that a runtime needs to know of an artefact.
 *
 * @property model registry name, such as `mobileinst-topformer-base`.
 * @property driver name of the driver that runs the entries, such as `mobileinst`.
 * @property entries entry name → signature.
 * @property inputSize of the network's input in pixels.
 * @property classes the categories; the index is the network's class index.
 * @property options what the driver needs beyond this: sizes, score rule, default keyframe interval.
 * @property precision `fp32`, `fp16` or `int8`.
 * @property checkpointSha256 SHA-256 of the checkpoint file; null when the weights are random.
 * @property parity what the parity gate measured, and vectors to check the artefact on a device.
 * @property tools versions of the packages that made the artefact.
 * @property digests SHA-256 of each file without its metadata text, see [checkDigest]; empty in older exports.
 */
data class Metadata(
    val model: String,
    val driver: String,
    val entries: Map<String, EntrySpec>,
    val inputSize: Size,
    val classes: List<Category>,
    val options: Map<String, Any?> = emptyMap(),
    val precision: String = "fp32",
    val checkpointSha256: String? = null,
    val parity: Map<String, Any?> = emptyMap(),
    val tools: Map<String, Any?> = emptyMap(),
    val digests: Map<String, String> = emptyMap(),
)

/** A list of numbers as Python prints a tuple, `(1, 3, 64, 128)` or `(1,)`: both runtimes use the same words. */
fun pythonTuple(values: List<*>): String =
    if (values.size == 1) "(${values[0]},)" else values.joinToString(", ", "(", ")")
