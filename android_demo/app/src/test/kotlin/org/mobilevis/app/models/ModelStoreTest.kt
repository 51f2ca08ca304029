package org.mobilevis.app.models

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.mobilevis.app.testApp
import org.mobilevis.core.UserError
import org.robolectric.RobolectricTestRunner
import java.io.ByteArrayInputStream
import java.io.File
import java.io.IOException
import java.io.InputStream

@RunWith(RobolectricTestRunner::class)
class ModelStoreTest {
    @get:Rule
    val temporary = TemporaryFolder()
    private var space = 10L shl 30
    private lateinit var folder: File
    private lateinit var store: ModelStore

    @Before
    fun open() {
        folder = File(temporary.root, "models")
        store = ModelStore(folder, testApp.assets) { space }
    }

    private fun picked(
        name: String,
        bytes: ByteArray = ByteArray(100) { 1 },
        size: Long? = bytes.size.toLong(),
    ) = PickedFile(name, size) { ByteArrayInputStream(bytes) }

    private fun refused(vararg files: PickedFile): String =
        assertThrows(UserError::class.java) { store.add(files.toList()) }.message!!

    @Test
    fun `a file is copied under its own name`() {
        assertEquals("a.tflite", store.add(listOf(picked("a.tflite"))))
        assertEquals(100L, store.file("a.tflite").length())
        assertTrue("a.tflite" in store.names())
    }

    @Test
    fun `a name that is taken gets a number`() {
        store.add(listOf(picked("a.pte")))
        assertEquals("a-2.pte", store.add(listOf(picked("a.pte"))))
        assertEquals("a-3.pte", store.add(listOf(picked("a.pte"))))
    }

    @Test
    fun `a format whose engine is not in this build is refused before a byte is copied`() {
        val files = listOf("encode.onnx", "decode.onnx").map { PickedFile(it, null) { throw IOException("read") } }
        assertEquals(
            "ONNX Runtime is not in this build (encode.onnx, decode.onnx): use a .pte file or a .tflite file, " +
                "or the app's Gradle build, which has all engines",
            refused(*files.toTypedArray()),
        )
        assertEquals(0, folder.list().orEmpty().size)
    }

    @Test
    fun `what can be picked names the formats of this build alone`() {
        assertEquals("a .pte file or a .tflite file", wantedFiles())
        assertTrue("choose a .pte file or a .tflite file" in refused(picked("a.txt")))
    }

    @Test
    fun `other formats and mixtures are refused in one line`() {
        for (files in listOf(arrayOf(picked("a.txt")), arrayOf(picked("a.pte"), picked("b.pte")), arrayOf())) {
            assertTrue(refused(*files), "not a model of mobilevis" in refused(*files))
        }
        assertEquals(emptyList<String>(), folder.list().orEmpty().toList())
    }

    @Test
    fun `names that lead out of the folder lose their way`() {
        val names =
            listOf(
                "../../evil.pte",
                "/etc/evil.pte",
                "..\\evil.pte",
                "...pte",
                "a\u0000b\n.pte",
                "x".repeat(500) + ".pte",
            )
        for (name in names) {
            val own = store.add(listOf(picked(name)))
            assertEquals(folder, store.file(own).parentFile)
            assertTrue(own, own.length < 80 && own.endsWith("pte"))
        }
        assertEquals(names.size, folder.list()!!.size)
    }

    @Test
    fun `an empty file is refused and leaves nothing`() {
        assertEquals("the file is empty (a.pte): choose another file", refused(picked("a.pte", ByteArray(0))))
        assertEquals(0, folder.list()!!.size)
    }

    @Test
    fun `a full disk is told before anything is written`() {
        space = 64L shl 20
        val words = refused(picked("a.pte"))
        assertEquals("no space on this device (a.pte): free some space, then choose the file again", words)
        assertEquals(0, folder.list().orEmpty().size)
    }

    @Test
    fun `a disk that fills up on the way leaves nothing`() {
        val endless =
            object : InputStream() {
                override fun read() = 0

                override fun read(
                    into: ByteArray,
                    offset: Int,
                    length: Int,
                ): Int {
                    space -= 1L shl 30
                    return length
                }
            }
        assertTrue("no space" in refused(PickedFile("a.pte", null) { endless }))
        assertEquals(0, folder.list()!!.size)
    }

    @Test
    fun `a file of more than 2 GiB is refused by its size`() {
        assertTrue("larger than 2 GiB" in refused(picked("a.pte", size = 3L shl 30)))
    }

    @Test
    fun `a provider that fails is told`() {
        val words = refused(PickedFile("a.pte", null) { throw IOException("the network is gone") })
        assertEquals("the file cannot be copied: the network is gone (a.pte): choose it again", words)
        assertTrue("may not be read" in refused(PickedFile("a.pte", null) { throw SecurityException() }))
    }

    @Test
    fun `a removed model is gone`() {
        store.remove(store.add(listOf(picked("a.pte"))))
        assertThrows(UserError::class.java) { store.file("a.pte") }
    }
}
