package org.mobilevis.core.metadata

import java.nio.ByteBuffer

/*
 * A .pte file begins with a FlatBuffer of ExecuTorch's schema (schema/program.fbs).
 */
private const val PROGRAM_PLANS = 1
private const val PLAN_NAME = 0
private const val PLAN_VALUES = 2
private const val PLAN_INPUTS = 3
private const val PLAN_OUTPUTS = 4
private const val VALUE_TYPE = 0
private const val VALUE = 1
private const val TENSOR_TYPE = 0
private const val TENSOR_SIZES = 2
private const val STRING_TEXT = 0

private const val KIND_TENSOR = 5
private const val KIND_STRING = 6
private const val SCALAR_FLOAT = 6

private const val METADATA_METHOD = "metadata"
private const val MAX_NAME_BYTES = 1 shl 10
private const val MAX_RANK = 16

/** The .pte schema that this runtime reads, at bytes 4 to 8 of the file. */
const val PTE_IDENTIFIER = "ET12"

/**
 * What a .pte file says of its methods.
 *
 * ExecuTorch's Java API gives neither their shapes nor, before it has loaded the file's native code, the metadata.
 *
 * @property metadata what the method `metadata` returns; null without such a method.
 * @property methods name → shapes of the inputs and of the outputs; empty for what is no float32 tensor.
 */
class PteProgram private constructor(
    val metadata: ByteArray?,
    val methods: Map<String, Shapes>,
) {
    /** Shapes by position: methods do not name their tensors. */
    class Shapes(
        val inputs: List<List<Int>>,
        val outputs: List<List<Int>>,
    )

    companion object {
        /**
         * Read the methods of a .pte file.
         *
         * @param file the whole file, from position 0; hostile.
         * @throws IllegalArgumentException an offset leads out of the file, or the metadata are too long.
         */
        fun read(file: ByteBuffer): PteProgram =
            readFlatBuffer(file) { buffer ->
                val plans = buffer.vector(buffer.field(buffer.root, PROGRAM_PLANS), 4)
                var metadata: ByteArray? = null
                val methods = LinkedHashMap<String, Shapes>()
                for (i in 0L until plans.count) {
                    val plan = Plan(buffer, buffer.follow(plans[i]))
                    if (plan.name == METADATA_METHOD) {
                        metadata = plan.text()
                    } else {
                        methods[plan.name] = Shapes(plan.shapes(PLAN_INPUTS), plan.shapes(PLAN_OUTPUTS))
                    }
                }
                PteProgram(metadata, methods)
            }
    }
}

/** One method: values, and which of them go in and come out. */
private class Plan(
    private val buffer: FlatBuffer,
    private val table: Long,
) {
    private val values = buffer.vector(buffer.field(table, PLAN_VALUES), 4)
    val name = buffer.bytes(buffer.field(table, PLAN_NAME), MAX_NAME_BYTES).decodeToString()

    /** The text that the method returns. */
    fun text(): ByteArray {
        val value = numbers(PLAN_OUTPUTS).firstOrNull()?.let { value(it, KIND_STRING) } ?: return ByteArray(0)
        return buffer.bytes(buffer.field(value, STRING_TEXT), MAX_METADATA_BYTES)
    }

    fun shapes(field: Int): List<List<Int>> =
        numbers(field).map { index -> value(index, KIND_TENSOR)?.let(::shape) ?: emptyList() }

    private fun shape(tensor: Long): List<Int> {
        val type = buffer.field(tensor, TENSOR_TYPE)
        if (type == ABSENT || buffer.uint8(type) != SCALAR_FLOAT) return emptyList()
        val sizes = buffer.vector(buffer.field(tensor, TENSOR_SIZES), 4)
        require(sizes.count <= MAX_RANK) { "a tensor of ${sizes.count} dimensions" }
        return List(sizes.count) { buffer.int32(sizes[it.toLong()]) }
    }

    private fun numbers(field: Int): List<Int> {
        val items = buffer.vector(buffer.field(table, field), 4)
        require(items.count <= values.count) { "${items.count} tensors among ${values.count} values" }
        return List(items.count) { buffer.int32(items[it.toLong()]) }
    }

    /** The table of value [index] if it is of this [kind], else null. */
    private fun value(
        index: Int,
        kind: Int,
    ): Long? {
        val value = buffer.follow(values[index.toLong()])
        val type = buffer.field(value, VALUE_TYPE)
        if (type == ABSENT || buffer.uint8(type) != kind) return null
        return buffer.follow(buffer.field(value, VALUE))
    }
}
