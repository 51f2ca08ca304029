package org.mobilevis.app.models

import android.content.Context
import org.mobilevis.app.R
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.VectorResult
import org.mobilevis.core.engine.checkParityVectors
import org.mobilevis.core.metadata.Metadata
import java.io.File
import java.util.Locale

/**
 * What the screen tells of a model.
 *
 * @property sha256 of the file or folder.
 * @property engine that opens it.
 */
class ModelFacts(
    val metadata: Metadata,
    val sha256: String,
    val engine: String,
)

/** The facts of a model that [open] opens. */
fun readFacts(
    file: File,
    open: (File) -> Engine,
): ModelFacts = open(file).use { ModelFacts(it.metadata, sha256(file), it.name) }

/** Every entry on this device against the values that the artefact carries. */
fun selfCheck(
    file: File,
    open: (File) -> Engine,
): List<VectorResult> = open(file).use(::checkParityVectors)

/** The facts as paragraphs. */
fun factsText(
    context: Context,
    facts: ModelFacts,
): String {
    val metadata = facts.metadata
    val size = metadata.inputSize
    val classes = metadata.classes.joinToString(", ") { it.name }
    val checkpoint = metadata.checkpointSha256 ?: context.getString(R.string.fact_no_checkpoint)
    return listOf(
        context.getString(R.string.fact_model, metadata.model),
        context.getString(R.string.fact_engine, facts.engine),
        context.getString(R.string.fact_size, size.height, size.width, metadata.precision),
        context.getString(R.string.fact_classes, metadata.classes.size, classes),
        context.getString(R.string.fact_sha256, facts.sha256),
        context.getString(R.string.fact_checkpoint, checkpoint),
        context.getString(R.string.fact_parity, parityText(context, metadata.parity)),
    ).joinToString("\n\n")
}

/** The record of the parity gate, a line a fact; stored vectors are what the self-check is for. */
private fun parityText(
    context: Context,
    parity: Map<String, Any?>,
): String {
    val lines = (parity - "vectors").flatMap { (key, value) -> lines(key, value) }
    return lines.ifEmpty { listOf(context.getString(R.string.fact_no_parity)) }.joinToString("\n")
}

private fun lines(
    key: String,
    value: Any?,
): List<String> =
    when (value) {
        is Map<*, *> -> value.flatMap { (inner, item) -> lines("$key $inner", item) }
        is List<*> -> value.flatMapIndexed { i, item -> lines("$key ${i + 1}", item) }
        is Double -> listOf(String.format(Locale.ROOT, "%s: %.3g", key, value))
        else -> listOf("$key: $value")
    }

/** The self-check in plain words, then a line an output. */
fun checkText(
    context: Context,
    results: List<VectorResult>,
): String {
    val failed = results.count { !it.passed }
    val tolerance = short(results.first().tolerance)
    val verdict =
        if (failed == 0) {
            context.getString(R.string.check_passed, tolerance)
        } else {
            context.getString(R.string.check_failed, failed, results.size, tolerance)
        }
    val rows =
        results.map {
            val mark = context.getString(if (it.passed) R.string.check_ok else R.string.check_bad)
            context.getString(
                R.string.check_line,
                mark,
                it.entry,
                it.output,
                short(it.maxAbs),
                short(it.relativeNorm),
            )
        }
    return (listOf(verdict) + rows).joinToString("\n")
}

private fun short(value: Double): String = String.format(Locale.ROOT, "%.2g", value)
