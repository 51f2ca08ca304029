package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource
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
    @ParameterizedTest(name = "{0}, every {1}")
    @CsvSource(
        "slots,1",
        "slots,3",
        "slots,5",
        "online,1",
        "online,3",
        "online,5",
        "appearance,1",
        "appearance,3",
        "appearance,5",
    )
    fun `from pictures, both runtimes find the same objects`(
        association: String,
        interval: Int,
    ) {
        val expected = Golden.lines(File(real, "$association-$interval.jsonl").readText())
        val options =
            MobileInstOptions(
                scoreThreshold = 0.03,
                birthScore = 0.03,
                association = AssociationKind.of(association),
                keyframeInterval = interval,
            )
        loadArtefact(artefact).use { engine ->
            val segmenter = VideoSegmenter(engine, options)
            for ((picture, theirs) in pictures.zip(expected)) {
                val line = StringBuilder()
                JsonLines(line, engine.metadata.classes).write(segmenter.process(picture))
                compare(theirs, Golden.lines(line.toString()).single())
            }
        }
        assertEquals(42, expected.size)
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
    fun `cut and flipped files end in one kind of error`(
        @TempDir folder: File,
    ) {
        val whole = File(artefact, "segment.onnx").readBytes()
        val random = Random(5)
        artefact.copyRecursively(folder, overwrite = true)
        repeat(60) {
            val broken = if (it % 2 == 0) whole.copyOf(random.nextInt(whole.size)) else whole.copyOf()
            if (it % 2 == 1) repeat(20) { broken[random.nextInt(broken.size)] = random.nextInt().toByte() }
            File(folder, "segment.onnx").writeBytes(broken)
            try {
                loadArtefact(folder).close()
            } catch (expected: UserError) {
                assertTrue(folder.path in expected.message!!, expected.message)
            }
        }
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
        private val artefact: File by lazy { File(real, "artefact") }
        private val pictures: List<RgbFrame> by lazy {
            real.listFiles { file -> file.extension == "png" }!!.sorted().map(::readPng)
        }
    }
}
