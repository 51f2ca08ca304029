package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.checkDigest
import org.mobilevis.core.metadata.digestAround
import org.mobilevis.core.metadata.parseMetadata
import java.io.File
import java.nio.ByteBuffer

class DigestsTest {
    private val text = "{metadata}".toByteArray()
    private val content = "weights${String(text)}more".toByteArray()
    private val metadata: Metadata =
        parseMetadata(File(Golden.folder, "clips/mobileinst/exits/metadata.json").readText(), "a")

    @Test
    fun `a digest is of the bytes around the metadata`() {
        // printf weightsmore | sha256sum
        val expected = "951ae18552ff9fd00fe01068823060bb"
        val found = digestAround(ByteBuffer.wrap(content), text)!!
        assertEquals(digestAround(ByteBuffer.wrap("${String(text)}weightsmore".toByteArray()), text), found)
        assertEquals(64, found.length)
        assertEquals(expected, found.take(32))
        assertNull(digestAround(ByteBuffer.wrap("weights".toByteArray()), text))
    }

    @Test
    fun `a file that is damaged is refused, an older export without digests passes`() {
        val digest = digestAround(ByteBuffer.wrap(content), text)!!
        val file = File("a.pte")

        fun check(
            bytes: ByteArray,
            digests: Map<String, String>,
        ) = checkDigest(file, ByteBuffer.wrap(bytes), "file", metadata.copy(digests = digests), text)
        check(content, mapOf("file" to digest))
        check(ByteArray(0), emptyMap())
        val damaged = content.copyOf().also { it[2] = 0 }
        val words =
            "the file is damaged: its SHA-256 is not the one in its metadata (a.pte): " +
                "copy it again, or export the model again"
        assertEquals(words, assertThrows<UserError> { check(damaged, mapOf("file" to digest)) }.message)
        assertEquals(words, assertThrows<UserError> { check(content, mapOf("encode" to digest)) }.message)
        val error = assertThrows<UserError> { check("other".toByteArray(), mapOf("file" to digest)) }
        assertEquals("the metadata do not lie in the file as one text (a.pte): export the model again", error.message)
    }
}
