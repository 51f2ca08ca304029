package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.mobilevis.core.UserError
import java.io.File

/** What a folder of files brings with it. */
class OnnxRuntimeTest {
    @Test
    fun `a file that was damaged on its way is refused, unless nobody asks`(
        @TempDir folder: File,
    ) {
        artefact.copyRecursively(folder, overwrite = true)
        val file = File(folder, "encode.onnx")
        val bytes = file.readBytes()
        bytes[bytes.size / 2] = (bytes[bytes.size / 2] + 1).toByte()
        file.writeBytes(bytes)
        val error = assertThrows<UserError> { loadArtefact(folder) }
        val words = "the file is damaged: its SHA-256 is not the one in its metadata ($file)"
        assertEquals("$words: copy it again, or export the model again", error.message)
        loadArtefact(folder, verify = false).close()
    }

    @Test
    fun `a missing entry is named`(
        @TempDir folder: File,
    ) {
        artefact.copyRecursively(folder, overwrite = true)
        File(folder, "decode.onnx").delete()
        val error = assertThrows<UserError> { loadArtefact(folder) }
        assertTrue("the folder must hold exactly" in error.message!!)
    }

    private companion object {
        val artefact: File by lazy { Networks.artefact("mobileinst", ArtefactFormat.ONNX) }
    }
}
