package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.metadata.MAX_METADATA_BYTES
import org.mobilevis.core.metadata.Size
import org.mobilevis.core.metadata.parseMetadata
import org.mobilevis.core.metadata.readOnnxMetadata
import org.mobilevis.core.metadata.readTfliteMetadata
import java.io.ByteArrayOutputStream
import java.io.File
import java.nio.ByteBuffer
import kotlin.random.Random

class MetadataTest {
    @Test
    fun `broken metadata are answered in Python's words`() {
        val cases = Golden.json(File(Golden.folder, "metadata.json")) as List<*>
        assertTrue(cases.size > 30)
        val others =
            cases.map { it as Map<*, *> }.mapNotNull { case ->
                val text = case["text"] as String
                val said = assertThrows<UserError>(text) { parseMetadata(text, "model.tflite") }.message
                if (said == case["says"]) null else "${case["says"]}\n  $said"
            }
        assertEquals("", others.joinToString("\n"))
    }

    @Test
    fun `whole metadata are read`() {
        val metadata = parseMetadata(File(Golden.folder, "clips/mobileinst/exits/metadata.json").readText(), "a")
        assertEquals(Size(128, 256), metadata.inputSize)
        assertEquals(listOf("ant", "bee", "é", "d"), metadata.classes.map { it.name })
        assertEquals(
            listOf(1, 14, 16),
            metadata.entries
                .getValue("decode")
                .outputs[0]
                .shape,
        )
        assertNull(metadata.checkpointSha256)
    }

    @Test
    fun `metadata longer than the limit are not parsed`() {
        val error = assertThrows<UserError> { parseMetadata(" ".repeat(MAX_METADATA_BYTES + 1), "a.pte") }
        assertTrue(error.message!!.startsWith("the metadata are too large"))
    }

    @Test
    fun `an onnx file's value is found among others`() {
        val file = onnx("other" to "x", "mobilevis" to "{}", "z" to "")
        assertEquals("{}", readOnnxMetadata(ByteBuffer.wrap(file))!!.decodeToString())
        assertNull(readOnnxMetadata(ByteBuffer.wrap(onnx("other" to "x"))))
        assertThrows<IllegalArgumentException> { readOnnxMetadata(ByteBuffer.wrap(file), limit = 1) }
    }

    @Test
    fun `cut and flipped onnx files end in one kind of error`() {
        val file = onnx("other" to "x".repeat(40), "mobilevis" to "{}")
        for (size in file.indices) survives { readOnnxMetadata(ByteBuffer.wrap(file.copyOf(size))) }
        val random = Random(1)
        repeat(300) {
            val broken = file.copyOf()
            broken[random.nextInt(broken.size)] = random.nextInt().toByte()
            survives { readOnnxMetadata(ByteBuffer.wrap(broken)) }
        }
    }

    @Test
    fun `random bytes are no tflite file`() {
        val random = Random(2)
        repeat(300) { survives { readTfliteMetadata(ByteBuffer.wrap(random.nextBytes(random.nextInt(200)))) } }
    }

    private fun survives(read: () -> Unit) {
        try {
            read()
        } catch (expected: IllegalArgumentException) {
            assertTrue(expected.message!!.isNotEmpty())
        }
    }

    private fun onnx(vararg entries: Pair<String, String>): ByteArray {
        val out = ByteArrayOutputStream()
        out.write(byteArrayOf(0x08, 0x09)) // ir_version
        for ((key, value) in entries) {
            val entry = field(1, key.toByteArray()) + field(2, value.toByteArray())
            out.write(field(14, entry))
        }
        return out.toByteArray()
    }

    private fun field(
        number: Int,
        content: ByteArray,
    ) = byteArrayOf((number shl 3 or 2).toByte(), content.size.toByte()) + content
}
