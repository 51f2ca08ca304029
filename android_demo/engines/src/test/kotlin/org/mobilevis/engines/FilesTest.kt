package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.mobilevis.core.UserError
import org.mobilevis.core.metadata.Category
import org.mobilevis.core.metadata.EntrySpec
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.Size
import java.io.File

class FilesTest {
    @TempDir
    lateinit var folder: File

    private fun says(
        name: String,
        content: String? = null,
    ): String {
        val file = File(folder, name)
        if (content != null) file.writeBytes(content.toByteArray(Charsets.ISO_8859_1))
        return assertThrows<UserError> { loadArtefact(file) }.message!!.replace(folder.path, "")
    }

    @Test
    fun `what is no artefact is refused in words`() {
        assertEquals("there is no such artefact (/a.pte): check the path, or export a model first", says("a.pte"))
        assertEquals("the artefact is empty (/a.pte): export the model again, or copy it again", says("a.pte", ""))
        assertTrue(says("a.txt", "x").startsWith(".txt is not the format of an artefact (/a.txt): give a folder of"))
        assertTrue(says("a", "x").startsWith("no suffix is not the format"))
        assertEquals("the folder holds no .onnx file (): give the folder of an ONNX export", says(""))
    }

    @Test
    fun `files of other programs are refused before an engine sees them`() {
        assertTrue(says("a.tflite", "not a model").startsWith("the file is not a TFLite model"))
        assertTrue(says("a.tflite", "x").startsWith("the file is not a TFLite model"))
        assertTrue(says("a.tflite", "\u0008\u0000\u0000\u0000TFL3").startsWith("LiteRT cannot read the file"))
        assertTrue(says("a.pte", "0123ABCD").startsWith("the file is not an ExecuTorch program"))
        assertTrue(says("a.pte", "0123ET99").startsWith("the .pte schema is ET99, this runtime reads ET12"))
        assertTrue(says("a.onnx", "\u0008\u0009").startsWith("the model carries no mobilevis metadata"))
    }

    @Test
    fun `thread counts that cannot be had are refused`() {
        val error = assertThrows<UserError> { loadArtefact(folder, 0) }
        assertTrue(error.message!!.startsWith("0 threads asked for: choose between 1 and "))
    }

    @Test
    fun `half-precision arithmetic is found on every core or not at all`() {
        val with = "Features\t: fp asimd asimdhp"
        assertEquals(true, hasHalfArithmetic("processor: 0\n$with\n\nprocessor: 1\n$with\n"))
        assertEquals(false, hasHalfArithmetic("$with\nFeatures\t: fp asimd\n"))
        assertNull(hasHalfArithmetic("flags : sse2"))
    }

    @Test
    fun `an fp16 artefact is refused on a CPU without it`() {
        val cpuinfo = File(folder, "cpuinfo").apply { writeText("Features\t: fp asimd\n") }
        val metadata =
            Metadata(
                "m",
                "mobileinst",
                mapOf("e" to EntrySpec(emptyList(), emptyList())),
                Size(1, 1),
                listOf(Category(1, "c")),
            )
        checkPrecision(metadata, "a.pte", cpuinfo)
        val error = assertThrows<UserError> { checkPrecision(metadata.copy(precision = "fp16"), "a.pte", cpuinfo) }
        assertEquals("this CPU has no fp16 arithmetic (a.pte): choose an fp32 or int8 artefact", error.message)
    }
}
