package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.UserError
import org.mobilevis.core.metadata.PteProgram
import java.io.File
import java.nio.ByteBuffer
import kotlin.random.Random

class PteFileTest {
    private val path = File(Networks.folder, "metadata.pte")
    private val file = path.readBytes()

    @Test
    fun `metadata and shapes are read before ExecuTorch is loaded`() {
        assertEquals("scripted", readMetadata(path).model)
        val shapes = PteProgram.read(ByteBuffer.wrap(file)).methods.getValue("segment")
        // The second input is no float32 tensor.
        assertEquals(listOf(listOf(1, 8, 16), emptyList()), shapes.inputs)
        assertEquals(listOf(listOf(1, 4, 16)), shapes.outputs)
    }

    @Test
    fun `a method that is missing is named`() {
        val error = assertThrows<UserError> { loadArtefact(path) }
        assertTrue(error.message!!.startsWith("the file has no method decode, encode ($path)"), error.message)
    }

    @Test
    fun `cut and flipped files end in one kind of error`() {
        val random = Random(7)
        repeat(600) {
            val broken = file.copyOf(if (it % 2 == 0) random.nextInt(file.size) else file.size)
            repeat(5) { if (broken.isNotEmpty()) broken[random.nextInt(broken.size)] = random.nextInt().toByte() }
            try {
                PteProgram.read(ByteBuffer.wrap(broken))
            } catch (expected: IllegalArgumentException) {
                assertTrue(expected.message!!.isNotEmpty())
            }
        }
    }
}
