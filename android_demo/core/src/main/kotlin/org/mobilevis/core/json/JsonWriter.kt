package org.mobilevis.core.json

import java.math.BigDecimal
import java.math.MathContext
import java.math.RoundingMode

/**
 * A value as Python's `json.dumps` writes it: `", "` and `": "` between items, ASCII only, floats as their `repr`.
 *
 * @param value null, [Boolean], [Number], [String], [Iterable], [Map] with string keys, or a nest of these.
 * @throws IllegalArgumentException another type, or a float that is not finite.
 */
fun writeJson(value: Any?): String = StringBuilder().also { appendJson(it, value) }.toString()

private fun appendJson(
    out: StringBuilder,
    value: Any?,
) {
    when (value) {
        null -> out.append("null")
        is Boolean, is Int, is Long -> out.append(value)
        is Float -> out.append(pythonRepr(value.toDouble()))
        is Double -> out.append(pythonRepr(value))
        is String -> appendString(out, value)
        is Map<*, *> ->
            appendAll(out, '{', '}', value.entries) { (key, item) ->
                appendString(out, key as String)
                out.append(": ")
                appendJson(out, item)
            }
        is Iterable<*> -> appendAll(out, '[', ']', value) { appendJson(out, it) }
        else -> throw IllegalArgumentException("${value.javaClass.name} has no JSON")
    }
}

private fun <T> appendAll(
    out: StringBuilder,
    open: Char,
    close: Char,
    items: Iterable<T>,
    append: (T) -> Unit,
) {
    out.append(open)
    for ((position, item) in items.withIndex()) {
        if (position > 0) out.append(", ")
        append(item)
    }
    out.append(close)
}

private fun appendString(
    out: StringBuilder,
    text: String,
) {
    out.append('"')
    for (char in text) {
        val place = "\"\\\n\r\t\u000c\b".indexOf(char)
        when {
            place >= 0 -> out.append('\\').append("\"\\nrtfb"[place])
            char in ' '..'~' -> out.append(char)
            else -> out.append("\\u").append(char.code.toString(16).padStart(4, '0'))
        }
    }
    out.append('"')
}

/**
 * The shortest decimal that reads back as [value], in Python's notation.
 *
 * `Double.toString` is another notation everywhere, and before Java 19 not always the shortest.
 *
 * @throws IllegalArgumentException [value] is not finite: JSON has no word for it.
 */
fun pythonRepr(value: Double): String {
    require(value.isFinite()) { "Out of range float values are not JSON compliant" }
    if (value == 0.0) return if (1.0 / value < 0.0) "-0.0" else "0.0"
    val exact = BigDecimal(value)
    val shortest =
        (1..MAX_DIGITS)
            .map { exact.round(MathContext(it, RoundingMode.HALF_EVEN)) }
            .first { it.toDouble() == value }
            .stripTrailingZeros()
    val digits = shortest.unscaledValue().abs().toString()
    val sign = if (value < 0.0) "-" else ""
    return sign + notation(digits, digits.length - shortest.scale())
}

/** Seventeen significant digits tell any two doubles apart. */
private const val MAX_DIGITS = 17

/** Digits whose decimal point stands after the first [point] of them: fixed for 1e-4 up to 1e16, as in Python. */
private fun notation(
    digits: String,
    point: Int,
): String {
    if (point !in -3..16) {
        val exponent = point - 1
        val mantissa = if (digits.length == 1) digits else "${digits[0]}.${digits.substring(1)}"
        val size = Math.abs(exponent).toString().padStart(2, '0')
        return "${mantissa}e${if (exponent < 0) '-' else '+'}$size"
    }
    return when {
        point <= 0 -> "0." + "0".repeat(-point) + digits
        point >= digits.length -> digits + "0".repeat(point - digits.length) + ".0"
        else -> digits.substring(0, point) + "." + digits.substring(point)
    }
}
