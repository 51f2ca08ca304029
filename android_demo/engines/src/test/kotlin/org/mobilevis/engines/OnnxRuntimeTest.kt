package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.Arguments
import org.junit.jupiter.params.provider.MethodSource
import org.mobilevis.core.Golden
import org.mobilevis.core.UserError
import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.decodeRle
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.engine.checkParityVectors
import org.mobilevis.core.engine.pseudoRandomInputs
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.readPng
import org.mobilevis.core.results.JsonLines
import java.io.File
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.random.Random

/** A real network, end to end on desktop ONNX Runtime. */
class OnnxRuntimeTest {
    @ParameterizedTest(name = "{0}, {1}, every {2}")
    @MethodSource("combinations")
    fun `from pictures, both runtimes find the same objects`(
        driver: String,
        association: String,
        interval: Int,
    ) {
        val expected = Golden.lines(File(real, "$driver/$association-$interval.jsonl").readText())
        val least = LEAST_SCORES.getValue(driver)
        val options =
            MobileInstOptions(
                scoreThreshold = least,
                birthScore = least,
                nmsIou = 0.2,
                association = AssociationKind.of(association),
                keyframeInterval = interval,
            )
        val artefact = File(real, "$driver/artefact")
        loadArtefact(artefact).use { engine ->
            val segmenter = VideoSegmenter(engine, options)
            for ((picture, theirs) in pictures.zip(expected)) {
                val line = StringBuilder()
                JsonLines(line, engine.metadata.classes).write(segmenter.process(picture))
                compare(theirs, Golden.lines(line.toString()).single())
            }
        }
        assertEquals(42, expected.size)
        assertTrue(expected.sumOf { (it["instances"] as List<*>).size } >= 42, "the pictures show objects")
    }

    /** By identity: random weights score so alike that the order of two may differ. */
    private fun compare(
        theirs: Map<String, Any?>,
        ours: Map<String, Any?>,
    ) {
        val (expected, actual) = byId(theirs) to byId(ours)
        assertEquals(expected.keys, actual.keys, "frame ${theirs["frame"]}")
        for ((id, instance) in expected) {
            val other = actual.getValue(id)
            val where = "frame ${theirs["frame"]}, track $id"
            assertEquals(instance["category_id"], other["category_id"], where)
            assertEquals(instance["score"] as Double, other["score"] as Double, 1e-3, where)
            assertTrue(iou(instance, other) >= 0.999, "$where: IoU ${iou(instance, other)}")
        }
    }

    private fun byId(record: Map<String, Any?>): Map<Long, Map<*, *>> =
        (record["instances"] as List<*>).associate { ((it as Map<*, *>)["track_id"] as Long) to it }

    private fun iou(
        first: Map<*, *>,
        second: Map<*, *>,
    ): Double {
        val (a, b) = listOf(first, second).map { decodeRle((it["segmentation"] as Map<*, *>)["counts"] as String) }
        val both = a.indices.count { a[it] && b[it] }
        return both.toDouble() / a.indices.count { a[it] || b[it] }
    }

    @Test
    fun `the artefact's own parity vectors pass`() {
        loadArtefact(artefact).use { engine ->
            val results = checkParityVectors(engine)
            assertEquals(5, results.size)
            assertTrue(results.all { it.passed }, "$results")
        }
    }

    @Test
    fun `an engine is closed while others run it`() {
        val engine = loadArtefact(artefact)
        val inputs = pseudoRandomInputs(engine.metadata, "decode")
        val threads = Executors.newFixedThreadPool(4)
        val runs =
            List(4) {
                threads.submit<String> {
                    try {
                        while (true) engine.run("decode", inputs)
                        @Suppress("UNREACHABLE_CODE")
                        ""
                    } catch (closed: UserError) {
                        closed.message
                    }
                }
            }
        Thread.sleep(200)
        engine.close()
        for (run in runs) assertTrue("the artefact is closed" in run.get(20, TimeUnit.SECONDS))
        threads.shutdown()
    }

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
    fun `300 damaged files end in one kind of error`(
        @TempDir folder: File,
    ) {
        val whole = File(artefact, "segment.onnx").readBytes()
        val random = Random(5)
        artefact.copyRecursively(folder, overwrite = true)
        var refused = 0
        repeat(300) {
            val broken = if (it % 2 == 0) whole.copyOf(random.nextInt(whole.size)) else whole.copyOf()
            if (it % 2 == 1) repeat(20) { broken[random.nextInt(broken.size)] = random.nextInt().toByte() }
            File(folder, "segment.onnx").writeBytes(broken)
            // Every fifth past the digest, to the engine itself.
            try {
                loadArtefact(folder, verify = it % 5 > 0).close()
            } catch (expected: UserError) {
                refused++
                assertTrue(folder.path in expected.message!! && '\n' !in expected.message!!, expected.message)
            }
        }
        assertTrue(refused >= 240, "$refused refused")
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

    companion object {
        /** What golden.py writes of real networks. */
        val golden: File by lazy { Golden.part("real") }
        private val real: File by lazy { File(golden, "real") }
        private val artefact: File by lazy { File(real, "mobileinst/artefact") }
        private val LEAST_SCORES = mapOf("mobileinst" to 0.03, "mobileinst-dense" to 0.3)

        /** Driver, association and keyframe interval of each file of results. */
        @JvmStatic
        fun combinations(): List<Arguments> =
            real
                .walk()
                .filter { it.extension == "jsonl" }
                .sorted()
                .map {
                    val (association, interval) = it.nameWithoutExtension.split("-")
                    Arguments.of(it.parentFile.name, association, interval.toInt())
                }.toList()
                .also { check(it.size == 15) { "${it.size} combinations" } }

        private val pictures: List<RgbFrame> by lazy {
            File(golden, "pictures").listFiles { file -> file.extension == "png" }!!.sorted().map(::readPng)
        }
    }
}
