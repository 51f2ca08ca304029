package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.json.JsonError
import org.mobilevis.core.json.parseJson
import org.mobilevis.core.json.pythonRepr
import org.mobilevis.core.json.writeJson

class JsonTest {
    @Test
    fun `floats have Python's notation`() {
        val cases =
            mapOf(
                0.0 to "0.0",
                -0.0 to "-0.0",
                1.0 to "1.0",
                0.1 to "0.1",
                1e16 to "1e+16",
                1e15 to "1000000000000000.0",
                123456.789 to "123456.789",
                1e-4 to "0.0001",
                1e-5 to "1e-05",
                -2.5e-7 to "-2.5e-07",
                0.35f.toDouble() to "0.3499999940395355",
                1.5e300 to "1.5e+300",
                5e-324 to "5e-324",
                2e-3 to "0.002",
                2.0e-3 * 3 to "0.006",
            )
        for ((value, text) in cases) assertEquals(text, pythonRepr(value))
        assertThrows<IllegalArgumentException> { pythonRepr(Double.NaN) }
    }

    @Test
    fun `texts are written as Python writes them`() {
        val value = linkedMapOf("a" to listOf(1, 2.5, null, true), "b\"\n" to "é\u0001", "c" to emptyMap<String, Any>())
        assertEquals("{\"a\": [1, 2.5, null, true], \"b\\\"\\n\": \"\\u00e9\\u0001\", \"c\": {}}", writeJson(value))
        assertEquals(value["b\"\n"], (parseJson(writeJson(value)) as Map<*, *>)["b\"\n"])
    }

    @Test
    fun `values are read`() {
        assertEquals(
            mapOf("a" to listOf(1L, -2.5e3, false, null, "x\u00e9/")),
            parseJson(" {\"a\":[1,-2.5e3,false,null,\"x\\u00e9\\/\"]} "),
        )
    }

    @Test
    fun `deep texts do not exhaust the stack`() {
        assertThrows<JsonError> { parseJson("[".repeat(100_000)) }
    }
}
