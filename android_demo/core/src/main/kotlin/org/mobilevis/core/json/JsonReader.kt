package org.mobilevis.core.json

import java.math.BigInteger

/** Deeper texts are refused: recursion must not exhaust a thread's stack. Metadata nest six levels. */
const val MAX_JSON_DEPTH = 64

/**
 * The value of a JSON text.
 *
 * Objects become [Map] in the text's order, arrays [List], whole numbers [Long] or [BigInteger], other numbers
 * [Double], and `null` null. As in Python, the last of two equal keys wins and `NaN` and `Infinity` are numbers.
 *
 * @throws JsonError the text is not JSON, or nests deeper than [MAX_JSON_DEPTH].
 */
fun parseJson(text: String): Any? = JsonReader(text).document()

private class JsonReader(
    private val text: String,
) {
    private var at = 0
    private var depth = 0

    fun document(): Any? {
        skipBlanks()
        val value = value()
        skipBlanks()
        if (at != text.length) fail("Extra data", at)
        return value
    }

    private fun value(): Any? =
        when (peek()) {
            '"' -> string()
            '{' -> nested(::members)
            '[' -> nested(::elements)
            else -> literal() ?: number()
        }.let { if (it === NullLiteral) null else it }

    private fun <T> nested(read: () -> T): T {
        if (++depth > MAX_JSON_DEPTH) fail("Too deeply nested", at)
        return read().also { depth-- }
    }

    private fun members(): Map<String, Any?> {
        val result = LinkedHashMap<String, Any?>()
        at++
        skipBlanks()
        if (take('}')) return result
        while (true) {
            if (peek() != '"') fail("Expecting property name enclosed in double quotes", at)
            val key = string()
            skipBlanks()
            if (!take(':')) fail("Expecting ':' delimiter", at)
            skipBlanks()
            result[key] = value()
            skipBlanks()
            if (take('}')) return result
            if (!take(',')) fail("Expecting ',' delimiter", at)
            skipBlanks()
        }
    }

    private fun elements(): List<Any?> {
        val result = ArrayList<Any?>()
        at++
        skipBlanks()
        if (take(']')) return result
        while (true) {
            result.add(value())
            skipBlanks()
            if (take(']')) return result
            if (!take(',')) fail("Expecting ',' delimiter", at)
            skipBlanks()
        }
    }

    private fun string(): String {
        val start = at++
        val result = StringBuilder()
        while (true) {
            val char = peek() ?: fail("Unterminated string starting at", start)
            when {
                char == '"' -> {
                    at++
                    return result.toString()
                }
                char == '\\' -> result.append(escape(start))
                char < ' ' -> fail("Invalid control character at", at)
                else -> {
                    result.append(char)
                    at++
                }
            }
        }
    }

    private fun escape(start: Int): Char {
        at++
        val char = peek() ?: fail("Unterminated string starting at", start)
        if (char == 'u') {
            val digits = text.substring(at + 1, minOf(at + 5, text.length))
            if (digits.length < 4 || !digits.all { it in "0123456789abcdefABCDEF" }) {
                fail("Invalid \\uXXXX escape", at)
            }
            at += 5
            return digits.toInt(16).toChar()
        }
        val place = "\"\\/bfnrt".indexOf(char)
        if (place < 0) fail("Invalid \\escape", at - 1)
        at++
        return "\"\\/\b\u000c\n\r\t"[place]
    }

    private fun literal(): Any? {
        val (word, value) = LITERALS.firstOrNull { text.startsWith(it.first, at) } ?: return null
        at += word.length
        return value
    }

    private fun number(): Any {
        val match = NUMBER.matchAt(text, at) ?: fail("Expecting value", at)
        at = match.range.last + 1
        val (whole, fraction, exponent) = match.destructured
        if (fraction.isNotEmpty() || exponent.isNotEmpty()) return match.value.toDouble()
        return whole.toLongOrNull() ?: BigInteger(whole)
    }

    private fun peek(): Char? = text.getOrNull(at)

    private fun take(char: Char): Boolean = (peek() == char).also { if (it) at++ }

    private fun skipBlanks() {
        while (at < text.length && text[at] in " \t\n\r") at++
    }

    private fun fail(
        what: String,
        where: Int,
    ): Nothing {
        val before = text.substring(0, where)
        val line = before.count { it == '\n' } + 1
        val column = where - before.lastIndexOf('\n')
        throw JsonError("$what: line $line column $column (char $where)")
    }

    private object NullLiteral

    private companion object {
        val NUMBER = Regex("(-?(?:0|[1-9][0-9]*))(\\.[0-9]+)?([eE][-+]?[0-9]+)?")
        val LITERALS =
            listOf(
                "null" to NullLiteral,
                "true" to true,
                "false" to false,
                "NaN" to Double.NaN,
                "Infinity" to Double.POSITIVE_INFINITY,
                "-Infinity" to Double.NEGATIVE_INFINITY,
            )
    }
}
