package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import org.mobilevis.core.driver.cellDescriber
import org.mobilevis.core.driver.cellScorer
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.parseMetadata
import java.io.File

class CellEntryTest {
    private val folder = File(Golden.folder, "patches")
    private val text = File(folder, "metadata.json").readText()
    private val metadata = parseMetadata(text, "script")
    private val encoded =
        metadata.entries.getValue("encode").outputs.associate {
            it.name to Tensor(it.shape).apply { write(Golden.floats(File(folder, "known/${it.name}.f32"))) }
        }

    @ParameterizedTest
    @ValueSource(strings = ["decode", "describe"])
    fun `what goes into each run on some cells is Python's, and so is what comes out`(entry: String) {
        val engine = Listener(metadata)
        val running = make(entry, engine)
        val chosen = cells(entry)
        // Other cells first, most of them in the middle: where a border is, nothing of them may be left.
        running.run(encoded, IntArray(chosen.size) { 2 * it + 40 }, chosen.size)
        engine.heard.clear()
        running.run(encoded, chosen, chosen.size)
        assertEquals(3, engine.heard.size)
        for ((number, heard) in engine.heard.withIndex()) assertHeard(heard, entry, File(folder, "$entry-$number"))
        for ((name, found) in running.said) {
            val expected = Golden.floats(File(folder, "said/$name.f32"))
            assertTrue(expected.isNotEmpty())
            assertArrayEquals(expected, found.copyOf(expected.size), name)
        }
    }

    @Test
    fun `nothing runs on no cells`() {
        val engine = Listener(metadata)
        make("decode", engine).run(encoded, IntArray(0), 0)
        assertEquals(0, engine.heard.size)
    }

    @ParameterizedTest
    @ValueSource(strings = ["decode", "describe"])
    fun `an artefact whose entry takes something else, or that has none, is refused`(entry: String) {
        val older = text.replace(if (entry == "decode") "likely_stems" else "chosen_towers", "stem_patches")
        val lacking = metadata.copy(entries = metadata.entries - entry)
        for (old in listOf(parseMetadata(older, "script"), lacking)) {
            val error = assertThrows<IllegalArgumentException> { make(entry, Listener(old)) }
            assertEquals(
                "the artefact was exported by an older mobilevis, with another $entry: export it again",
                error.message,
            )
        }
    }

    @Test
    fun `an older artefact is refused in one line before a frame`() {
        val clip = File(Golden.folder, "clips/mobileinst-dense/exits/metadata.json").readText()
        val older = parseMetadata(clip.replace("likely_stems", "stem3"), "script")
        val error = assertThrows<UserError> { VideoSegmenter(ScriptedEngine(emptyMap(), older)) }
        assertTrue("by an older mobilevis, with another decode: export it again" in error.message!!, error.message)
    }

    @Test
    fun `sizes that do not fit are refused`() {
        val broken =
            mapOf(
                "stem5" to "[1, 1, 3, 28]",
                "tower4" to "[1, 3, 8, 3]",
                "chosen_inside" to "[3, 3, 5, 5]",
                "chosen_stems" to "[3, 7, 7]",
                "chosen_boxes" to "[1, 9, 5]",
                "embeddings" to "[1, 6, 8]",
            )
        for ((name, shape) in broken) {
            val other = text.replace(Regex("\"$name\", \"shape\": \\[[^]]*]"), "\"$name\", \"shape\": $shape")
            val error = assertThrows<IllegalArgumentException> { make("describe", Listener(parseMetadata(other, "s"))) }
            assertTrue(error.message!!.endsWith("does not fit the artefact's other sizes"), "$name: ${error.message}")
        }
    }

    private fun cells(entry: String): IntArray {
        val cells = (Golden.json(File(folder, "cells.json")) as Map<*, *>)[entry] as List<*>
        return cells.map { (it as Long).toInt() }.toIntArray()
    }

    private fun make(
        entry: String,
        engine: Engine,
    ) = (if (entry == "decode") ::cellScorer else ::cellDescriber)(engine, 20)

    /** Compares a run's inputs with Python's: all that says which cells are there, and what is known of these. */
    private fun assertHeard(
        heard: Map<String, FloatArray>,
        entry: String,
        expected: File,
    ) {
        val inputs = metadata.entries.getValue(entry).inputs
        val (inside, others) = inputs.partition { it.name.endsWith("inside") }
        val marks = heard.getValue(inside.single().name)
        assertArrayEquals(Golden.floats(File(expected, "${inside.single().name}.f32")), marks)
        val area = inside.single().shape.let { it[2] * it[3] }
        val isHeld = BooleanArray(marks.size / area) { marks[area * it + area / 2] == 1f }
        for (input in others) {
            val theirs = Golden.floats(File(expected, "${input.name}.f32"))
            val isRead = theirs.indices.filter { isHeld[holder(it, input.shape)] }
            assertTrue(isRead.isNotEmpty())
            val ours = heard.getValue(input.name)
            assertEquals(isRead.map(theirs::get), isRead.map(ours::get), input.name)
        }
    }

    /** Which of the cells of a run, the levels of the first ones first, an element of an input is of. */
    private fun holder(
        at: Int,
        shape: List<Int>,
    ): Int {
        if (shape.size == 3) return at / shape[2]
        val (_, height, width, channels) = shape
        return 3 * (at / (height * width * channels)) + at % channels / (channels / 3)
    }

    /** Keeps what its entries are given. */
    private class Listener(
        metadata: Metadata,
    ) : ScriptedEngine(emptyMap(), metadata) {
        val heard = mutableListOf<Map<String, FloatArray>>()

        override fun runEntry(
            entry: String,
            inputs: Map<String, Tensor>,
            outputs: Map<String, Tensor>,
        ) {
            heard += inputs.mapValues { (_, tensor) -> FloatArray(tensor.size).also { tensor.read(it) } }
            super.runEntry(entry, inputs, outputs)
        }
    }
}
