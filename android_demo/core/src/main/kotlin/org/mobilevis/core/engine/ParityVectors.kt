package org.mobilevis.core.engine

import org.mobilevis.core.UserError
import org.mobilevis.core.metadata.Metadata
import kotlin.math.abs
import kotlin.math.floor
import kotlin.math.sqrt

private const val SAMPLES = 64

/**
 * One output on this device against eager PyTorch.
 *
 * @property maxAbs largest difference among the stored values, relative to the output's root mean square where that
 *   is larger than 1.
 * @property relativeNorm relative difference of the L2 norms, over all values.
 * @property tolerance largest [maxAbs] allowed, and largest [relativeNorm].
 */
data class VectorResult(
    val entry: String,
    val output: String,
    val maxAbs: Double,
    val relativeNorm: Double,
    val tolerance: Double,
) {
    /** Whether both differences are within the tolerance. */
    val passed: Boolean get() = maxAbs <= tolerance && relativeNorm <= tolerance
}

/**
 * Number [index] of a stream of pseudo-random numbers in [0, 1), the same on every machine and in every language:
 * h(index + 2654435761 · [seed]) / 2^32, h being Wellons' `lowbias32`.
 */
fun hashUniform(
    index: Int,
    seed: Int,
): Double {
    var x = index + (2654435761L * seed).toInt()
    x = x xor (x ushr 16)
    x *= 0x7FEB352D
    x = x xor (x ushr 15)
    x *= -0x7B935975
    x = x xor (x ushr 16)
    return (x.toLong() and 0xFFFFFFFFL) / TWO_TO_32
}

private const val TWO_TO_32 = 4294967296.0

/**
 * The inputs of an entry that parity vectors were made with: whole numbers in [0, 255] for a frame, mean 0 and
 * variance 1 for features.
 */
fun pseudoRandomInputs(
    metadata: Metadata,
    entry: String,
): Map<String, Tensor> {
    val frame = listOf(1, 3, metadata.inputSize.height, metadata.inputSize.width)
    return metadata.entries
        .getValue(entry)
        .inputs
        .withIndex()
        .associate { (position, spec) ->
            val values =
                FloatArray(spec.elements) { i ->
                    if (spec.shape == frame) {
                        floor(256 * hashUniform(i, position)).toFloat()
                    } else {
                        val sum = (0 until 4).sumOf { hashUniform(it * spec.elements + i, position) }
                        (sqrt(3.0) * (sum - 2)).toFloat()
                    }
                }
            spec.name to Tensor(spec.shape).also { it.write(values) }
        }
}

/**
 * Run every entry on the stored vectors' inputs.
 *
 * @return one result an output, passed or not.
 * @throws UserError the artefact carries no vectors, or they are broken.
 */
fun checkParityVectors(engine: Engine): List<VectorResult> {
    val record =
        engine.metadata.parity["vectors"] as? Map<*, *>
            ?: throw UserError("the artefact carries no parity vectors", engine.file, "export the model again")
    return engine.metadata.entries.flatMap { (entry, spec) ->
        val outputs = engine.run(entry, pseudoRandomInputs(engine.metadata, entry))
        spec.outputs.map { compare(engine, record, entry, it.name, outputs.getValue(it.name)) }
    }
}

private fun compare(
    engine: Engine,
    record: Map<*, *>,
    entry: String,
    output: String,
    tensor: Tensor,
): VectorResult {
    val stored = ((record["outputs"] as? Map<*, *>)?.get(entry) as? Map<*, *>)?.get(output) as? Map<*, *>
    val samples = (stored?.get("samples") as? List<*>)?.mapNotNull { (it as? Number)?.toDouble() }
    val norm = (stored?.get("norm") as? Number)?.toDouble()
    val tolerance = (record["tolerance"] as? Number)?.toDouble()
    val count = minOf(SAMPLES, tensor.size)
    if (samples?.size != count || norm == null || tolerance == null) {
        throw UserError("broken parity vectors of entry $entry", engine.file, "export the model again")
    }
    val values = FloatArray(tensor.size).also { tensor.read(it) }
    val difference = samples.indices.maxOf { i -> abs(values[(i.toLong() * values.size / count).toInt()] - samples[i]) }
    val own = sqrt(values.sumOf { it.toDouble() * it })
    return VectorResult(
        entry,
        output,
        difference / maxOf(1.0, norm / sqrt(values.size.toDouble())),
        abs(own - norm) /
            maxOf(
                norm,
                java.lang.Float.MIN_NORMAL
                    .toDouble(),
            ),
        tolerance,
    )
}
