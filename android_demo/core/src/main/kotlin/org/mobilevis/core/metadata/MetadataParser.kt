package org.mobilevis.core.metadata

import org.mobilevis.core.UserError
import org.mobilevis.core.json.parseJson

private const val AGAIN = "export the model again with this version of mobilevis"
private val REQUIRED = listOf("model", "driver", "entries", "input_size", "classes")
private val OPTIONAL =
    listOf(
        "options",
        "precision",
        "color_order",
        "resize",
        "checkpoint_sha256",
        "parity",
        "tools",
        "digests",
        "schema",
    )

/**
 * Read metadata that an artefact carries, with the checks and the words of the Python runtime.
 *
 * @param text JSON as the exporter writes it; hostile until parsed.
 * @param file the artefact, for the error message.
 * @throws UserError the text is not our metadata, or of another schema version.
 */
fun parseMetadata(
    text: String,
    file: String,
): Metadata {
    if (text.length > MAX_METADATA_BYTES) {
        throw UserError("the metadata are too large to be mobilevis metadata", file, AGAIN)
    }
    return try {
        val raw = asObject(parseJson(text), "the metadata")
        val schema = raw.need("schema")
        if (schema !in READABLE_SCHEMAS) {
            val known = READABLE_SCHEMAS.joinToString(", ")
            throw UserError("metadata schema $schema, this version reads $known", file, AGAIN)
        }
        build(raw)
    } catch (error: IllegalArgumentException) {
        throw UserError("broken mobilevis metadata: ${error.message}", file, AGAIN, error)
    }
}

private fun build(raw: Map<String, Any?>): Metadata {
    val entries =
        asObject(raw.need("entries"), "entries").mapValues { (name, value) ->
            val entry = asObject(value, "entry $name")
            EntrySpec(tensors(entry.need("inputs")), tensors(entry.need("outputs")))
        }
    val classes = asList(raw.need("classes"), "classes").map(::category)
    val inputSize = inputSize(raw.need("input_size"))
    (raw.keys - REQUIRED - OPTIONAL).firstOrNull()?.let {
        throw IllegalArgumentException("Metadata.__init__() got an unexpected keyword argument '$it'")
    }
    checkNames(raw)
    checkKinds(raw)
    val colorOrder = raw.getOrDefault("color_order", "RGB")
    val resize = raw.getOrDefault("resize", "letterbox")
    require(colorOrder == "RGB" && resize == "letterbox") {
        "colour order $colorOrder with resize rule $resize is not known"
    }
    require(entries.isNotEmpty()) { "an artefact has at least one entry" }
    require(classes.isNotEmpty()) { "an artefact has at least one class" }
    require(inputSize.height >= 1 && inputSize.width >= 1) {
        "input size ${pythonTuple(listOf(inputSize.height, inputSize.width))} is not (height, width)"
    }
    checkFrameSize(entries, inputSize)
    return Metadata(
        model = raw["model"] as String,
        driver = raw["driver"] as String,
        entries = entries,
        inputSize = inputSize,
        classes = classes,
        options = objectOf(raw, "options"),
        precision = raw.getOrDefault("precision", "fp32") as String,
        checkpointSha256 = raw["checkpoint_sha256"] as String?,
        parity = objectOf(raw, "parity"),
        tools = objectOf(raw, "tools"),
        digests = objectOf(raw, "digests").mapValues { it.value as String },
    )
}

private val TEXTS = listOf("model", "driver", "precision")
private val OBJECTS = listOf("options", "parity", "tools", "digests")
private val OBJECTS_OF_TEXTS = listOf("tools", "digests")

private fun checkKinds(raw: Map<String, Any?>) {
    for (name in TEXTS) require(raw.getOrDefault(name, "") is String) { "$name is no text" }
    for (name in OBJECTS) {
        require(
            raw.getOrDefault(name, emptyMap<String, Any?>()) is Map<*, *>,
        ) { "$name is no object" }
    }
    for (name in OBJECTS_OF_TEXTS) {
        require(objectOf(raw, name).values.all { it is String }) { "$name holds something else than texts" }
    }
    require(raw["checkpoint_sha256"] is String?) { "checkpoint_sha256 is no text" }
}

private fun objectOf(
    raw: Map<String, Any?>,
    name: String,
) = asObject(raw.getOrDefault(name, emptyMap<String, Any?>()), name)

/** Every frame is resized to the input size before an entry sees it: both must agree, and be small. */
private fun checkFrameSize(
    entries: Map<String, EntrySpec>,
    inputSize: Size,
) {
    val (height, width) = inputSize
    val words = pythonTuple(listOf(height, width))
    require(height.toLong() * width <= MAX_TENSOR_ELEMENTS) { "input size $words is larger than any known model's" }
    for (tensor in entries.values.flatMap { it.inputs }.filter { it.name == "frame" }) {
        require(tensor.shape.takeLast(2) == listOf(height, width)) {
            "input size $words, but the frame is ${pythonTuple(tensor.shape)}"
        }
    }
}

private fun checkNames(raw: Map<String, Any?>) {
    val missing = REQUIRED.filter { it !in raw }.map { "'$it'" }
    if (missing.isEmpty()) return
    val (noun, list) =
        if (missing.size == 1) {
            "argument" to missing[0]
        } else {
            "arguments" to missing.dropLast(1).joinToString(", ") + " and " + missing.last()
        }
    throw IllegalArgumentException(
        "Metadata.__init__() missing ${missing.size} required positional $noun: $list",
    )
}

private fun tensors(value: Any?): List<TensorSpec> =
    asList(value, "tensors").map {
        val item = asObject(it, "a tensor")
        val name = asText(item.need("name"), "a tensor's name")
        val shape = asList(item.need("shape"), "a shape")
        val dtype = item.need("dtype")
        require(dtype == "float32") { "tensor $name: dtype $dtype is not float32" }
        require(shape.all { size -> size is Long && size >= 1 }) {
            "tensor $name: shape ${pythonTuple(shape)} is not a list of positive integers"
        }
        require(shape.all { size -> size as Long <= MAX_TENSOR_ELEMENTS }) {
            "tensor $name: shape ${pythonTuple(shape)} is larger than any known model's"
        }
        TensorSpec(name, shape.map { size -> (size as Long).toInt() })
    }

private fun category(value: Any?): Category {
    val item = asObject(value, "a class")
    return Category(asInt(item.need("id"), "a class's id"), asText(item.need("name"), "a class's name"))
}

private fun inputSize(value: Any?): Size {
    val sides = asList(value, "input_size")
    require(sides.size >= 2) { "not enough values to unpack (expected 2, got ${sides.size})" }
    require(sides.size == 2) { "too many values to unpack (expected 2)" }
    return Size(asInt(sides[0], "input_size"), asInt(sides[1], "input_size"))
}

private fun Map<String, Any?>.need(key: String): Any? {
    require(containsKey(key)) { "'$key' is missing" }
    return get(key)
}

private fun asObject(
    value: Any?,
    what: String,
): Map<String, Any?> {
    require(value is Map<*, *>) { "$what is not an object" }
    @Suppress("UNCHECKED_CAST") // parseJson makes no other maps
    return value as Map<String, Any?>
}

private fun asList(
    value: Any?,
    what: String,
): List<Any?> {
    require(value is List<*>) { "$what is not a list" }
    return value
}

private fun asText(
    value: Any?,
    what: String,
): String {
    require(value is String) { "$what is not text" }
    return value
}

private fun asInt(
    value: Any?,
    what: String,
): Int {
    require(value is Long && value in Int.MIN_VALUE..Int.MAX_VALUE) { "$what is not a whole number" }
    return value.toInt()
}
