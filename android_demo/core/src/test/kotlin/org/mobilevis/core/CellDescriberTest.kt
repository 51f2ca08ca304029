package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.driver.CellDescriber
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import java.io.File

class CellDescriberTest {
    private val folder = File(Golden.folder, "patches")
    private val metadata = parseMetadata(File(folder, "metadata.json").readText(), "script")

    @Test
    fun `what is gathered around chosen cells is Python's`() {
        val engine = Listener(metadata)
        val chosen = (Golden.json(File(folder, "chosen.json")) as List<*>).map { (it as Long).toInt() }.toIntArray()
        val (encoded, decoded) = listOf("encode", "decode").map(::known)
        val boxes = encoded.getValue("boxes")
        val values = FloatArray(boxes.size).also { boxes.read(it) }
        // Other cells first: nothing of them may be left.
        val describer = CellDescriber(engine, boxes.shape[1])
        describer.describe(encoded, decoded, values, IntArray(8) { it + 8 }, 8)
        describer.describe(encoded, decoded, values, chosen, chosen.size)
        assertEquals(6, engine.heard.size)
        for ((name, found) in engine.heard) assertArrayEquals(Golden.floats(File(folder, "$name.f32")), found, name)
    }

    @Test
    fun `an artefact that was exported before cells were described is refused`() {
        val old = metadata.copy(entries = metadata.entries - "describe")
        val error = assertThrows<IllegalArgumentException> { CellDescriber(Listener(old), 40) }
        assertTrue("without describe" in error.message.orEmpty(), error.message)
    }

    @Test
    fun `levels that have other cells than there are scores are refused`() {
        val error = assertThrows<IllegalArgumentException> { CellDescriber(Listener(metadata), 41) }
        assertEquals("stems do not fit the artefact's other sizes", error.message)
    }

    private fun known(entry: String): Map<String, Tensor> =
        metadata.entries.getValue(entry).outputs.associate {
            it.name to Tensor(it.shape).apply { write(Golden.floats(File(folder, "known-${it.name}.f32"))) }
        }

    /** Keeps what its entry is given. */
    private class Listener(
        metadata: Metadata,
    ) : Engine("listener", "listener", metadata) {
        override val threads: Int? = 1
        var heard: Map<String, FloatArray> = emptyMap()
            private set

        override fun runEntry(
            entry: String,
            inputs: Map<String, Tensor>,
            outputs: Map<String, Tensor>,
        ) {
            heard = inputs.mapValues { (_, tensor) -> FloatArray(tensor.size).also { tensor.read(it) } }
        }

        override fun release() = Unit
    }
}
