package org.mobilevis.app

import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.pseudoRandomInputs
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import kotlin.math.sqrt

/**
 * Stands where a network would: it finds the clothes of the sample pictures' three people by colour and place.
 *
 * @param failAfter frames that it computes before it fails as an engine does.
 */
class ColourEngine(
    metadata: Metadata = METADATA,
    private val failAfter: Int = Int.MAX_VALUE,
) : Engine("colours", "colours.tflite", metadata) {
    override val threads: Int? = 1
    var frames = 0
        private set
    var releases = 0
        private set

    override fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        when (entry) {
            "encode" -> encode(inputs.getValue("frame"), outputs.getValue("mask_features"))
            "decode" -> {
                outputs.getValue("kernels").write(floatArrayOf(1f, 0f, 0f, 0f, 1f, 0f, 0f, 0f, 1f))
                outputs.getValue("scores").write(floatArrayOf(.93f, .05f, .88f, .06f, .81f, .07f))
            }
            else -> segment(inputs, outputs.getValue("mask_logits"))
        }
    }

    private fun encode(
        frame: Tensor,
        features: Tensor,
    ) {
        if (frames++ == failAfter) throw UserError("the entry failed", file, "choose another model")
        val area = HEIGHT * WIDTH
        for (y in 0 until HEIGHT / CELL) {
            for (x in 0 until WIDTH / CELL) {
                var red = 0f
                var green = 0f
                var blue = 0f
                for (i in 0 until CELL * CELL) {
                    val at = (CELL * y + i / CELL) * WIDTH + CELL * x + i % CELL
                    red += frame.floats.get(at) / (CELL * CELL)
                    green += frame.floats.get(area + at) / (CELL * CELL)
                    blue += frame.floats.get(2 * area + at) / (CELL * CELL)
                }
                val near = COLOURS.map { (r, g, b) -> distance(red - r, green - g, blue - b) }
                for ((channel, value) in near.withIndex()) {
                    val isInside = value < RADIUS && x in COLUMNS[channel] && y in ROWS[channel]
                    val at = (channel * (HEIGHT / CELL) + y) * (WIDTH / CELL) + x
                    features.floats.put(at, if (isInside) 4f else -4f)
                }
            }
        }
    }

    private fun segment(
        inputs: Map<String, Tensor>,
        logits: Tensor,
    ) {
        val kernels = inputs.getValue("kernels").floats
        val features = inputs.getValue("mask_features").floats
        val area = (HEIGHT / CELL) * (WIDTH / CELL)
        for (slot in 0 until SLOTS) {
            for (i in 0 until area) {
                val sum = (0 until 3).sumOf { (kernels.get(3 * slot + it) * features.get(it * area + i)).toDouble() }
                logits.floats.put(slot * area + i, sum.toFloat())
            }
        }
    }

    override fun release() {
        releases++
    }

    companion object {
        private const val HEIGHT = 192
        private const val WIDTH = 320
        private const val CELL = 4
        private const val SLOTS = 3
        private const val RADIUS = 52f

        /** Olive coat, teal jacket, brown jacket, and the cells where each is. */
        private val COLOURS = listOf(Triple(74f, 60f, 24f), Triple(50f, 95f, 97f), Triple(95f, 48f, 30f))
        private val COLUMNS = listOf(44..53, 54..72, 56..76)
        private val ROWS = listOf(13..29, 12..36, 30..44)

        private fun distance(
            red: Float,
            green: Float,
            blue: Float,
        ) = sqrt(red * red + green * green + blue * blue)

        private fun tensor(
            name: String,
            vararg shape: Int,
        ) = """{"name": "$name", "shape": ${shape.toList()}, "dtype": "float32"}"""

        private val features = tensor("mask_features", 1, 3, HEIGHT / CELL, WIDTH / CELL)
        private val kernels = tensor("kernels", 1, SLOTS, 3)

        /** Metadata as an export has them, with parity vectors that [outputs] gives. */
        private fun text(outputs: String) =
            """
            {"schema": 2, "model": "colours", "driver": "mobileinst", "input_size": [$HEIGHT, $WIDTH],
             "entries": {
               "encode": {"inputs": [${tensor("frame", 1, 3, HEIGHT, WIDTH)}], "outputs": [$features]},
               "decode": {"inputs": [$features],
                          "outputs": [$kernels, ${tensor("scores", 1, 3, 2)}]},
               "segment": {"inputs": [$kernels, $features],
                           "outputs": [${tensor("mask_logits", 1, SLOTS, HEIGHT / CELL, WIDTH / CELL)}]}},
             "classes": [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}],
             "options": {"keyframe_interval": 3, "max_instances": $SLOTS, "mask_stride": $CELL},
             "precision": "fp32",
             "parity": {"passed": true, "vectors": {"tolerance": 0.001, "outputs": {$outputs}}}}
            """.trimIndent()

        val METADATA: Metadata by lazy { parseMetadata(text(vectors()), "colours.tflite") }

        /** As [METADATA], of a PyTorch that computed other kernels. */
        val WRONG_METADATA: Metadata by lazy {
            val wrong = vectors().replaceFirst("\"kernels\": {\"norm\": ", "\"kernels\": {\"norm\": 9")
            parseMetadata(text(wrong), "colours.tflite")
        }

        /** What the stand-in computes on the inputs of the parity vectors, as an export would store it. */
        private fun vectors(): String {
            val engine = ColourEngine(parseMetadata(text(""), "colours.tflite"))
            return engine.metadata.entries.keys.joinToString(", ") { entry ->
                val outputs = engine.run(entry, pseudoRandomInputs(engine.metadata, entry))
                val records = outputs.map { (name, tensor) -> "\"$name\": ${record(tensor)}" }
                "\"$entry\": {${records.joinToString(", ")}}"
            }
        }

        private fun record(tensor: Tensor): String {
            val values = FloatArray(tensor.size).also { tensor.read(it) }
            val count = minOf(64, values.size)
            val samples = List(count) { values[(it.toLong() * values.size / count).toInt()] }
            return """{"norm": ${sqrt(values.sumOf { it.toDouble() * it })}, "samples": $samples}"""
        }
    }
}
