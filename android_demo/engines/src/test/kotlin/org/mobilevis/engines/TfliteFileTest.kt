package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.metadata.parseMetadata
import org.mobilevis.core.metadata.readTfliteMetadata
import java.io.File
import java.nio.ByteBuffer
import kotlin.random.Random

class TfliteFileTest {
    private val file = File(Networks.folder, "metadata.tflite").readBytes()

    @Test
    fun `metadata are found in their buffer`() {
        val text = readTfliteMetadata(ByteBuffer.wrap(file))!!.decodeToString()
        assertEquals("scripted", parseMetadata(text, "a.tflite").model)
        assertNull(readTfliteMetadata(ByteBuffer.wrap(file), "another"))
        assertThrows<IllegalArgumentException> { readTfliteMetadata(ByteBuffer.wrap(file), limit = 100) }
    }

    @Test
    fun `cut and flipped files end in one kind of error`() {
        val random = Random(3)
        repeat(600) {
            val broken = file.copyOf(if (it % 2 == 0) random.nextInt(file.size) else file.size)
            // Offsets lie in the first hundred bytes or behind the text.
            if (broken.isNotEmpty()) {
                repeat(3) {
                    broken[random.nextInt(minOf(broken.size, 120))] =
                        random.nextInt().toByte()
                }
            }
            try {
                readTfliteMetadata(ByteBuffer.wrap(broken))
            } catch (expected: IllegalArgumentException) {
                assertTrue(expected.message!!.isNotEmpty())
            }
        }
    }
}
