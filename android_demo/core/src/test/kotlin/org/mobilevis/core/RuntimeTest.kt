package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.KeyframePolicy
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.hashUniform
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.metadata.parseMetadata
import java.io.File

class RuntimeTest {
    private val folder = File(Golden.folder, "clips/mobileinst/counts")
    private val text = File(folder, "metadata.json").readText()

    private val script =
        listOf("mask_features", "kernels", "scores").associateWith { Golden.floats(File(folder, "$it.f32")) }

    private fun engine(metadata: String = text) = ScriptedEngine(script, parseMetadata(metadata, "script"))

    private fun frame(
        height: Int,
        width: Int,
    ) = RgbFrame(ByteArray(3 * height * width), height, width)

    @Test
    fun `another driver is refused and the known ones are named`() {
        val error = assertThrows<UserError> { VideoSegmenter(engine(text.replace("mobileinst", "minvis"))) }
        assertTrue(
            error.message!!.startsWith("the artefact needs driver minvis, known are mobileinst, mobileinst-dense ("),
        )
    }

    @Test
    fun `sizes that do not fit together are refused before a frame`() {
        val broken = text.replace("\"max_instances\": 8", "\"max_instances\": 9")
        val error = assertThrows<UserError> { VideoSegmenter(engine(broken)) }
        assertTrue(error.message!!.startsWith("kernels of segment does not fit"), error.message)
        assertThrows<UserError> { VideoSegmenter(engine(text.replace("\"mask_stride\": 4", "\"mask_stride\": 0"))) }
    }

    @Test
    fun `an unknown class is refused and the known ones are named`() {
        val error = assertThrows<UserError> { VideoSegmenter(engine(), MobileInstOptions(classes = listOf("cat"))) }
        assertTrue("no class cat; the artefact knows ant, bee, é, d" in error.message!!)
    }

    @Test
    fun `only the wanted classes are shown`() {
        for (kind in AssociationKind.entries) {
            val options = MobileInstOptions(classes = listOf("bee"), association = kind)
            val segmenter = VideoSegmenter(engine(), options)
            val shown = List(48) { segmenter.process(frame(199, 501)) }.flatMap { it.instances }
            assertEquals(setOf(1), shown.map { it.classIndex }.toSet(), "$kind")
        }
    }

    @Test
    fun `options out of range are refused`() {
        for (make in listOf<() -> Any>(
            { MobileInstOptions(scoreThreshold = 1.5) },
            { MobileInstOptions(maskThreshold = 0.0) },
            { MobileInstOptions(keyframeInterval = 0) },
            { MobileInstOptions(matchCosine = -2.0) },
            { MobileInstOptions(birthScore = 2.0) },
            { MobileInstOptions(keepLost = -1) },
            { MobileInstOptions(longestInterval = 0) },
            { AssociationKind.of("overlap") },
            { KeyframePolicy.of("learned") },
        )) {
            assertThrows<IllegalArgumentException> { make() }
        }
    }

    @Test
    fun `a shortest interval beyond the longest one is refused`() {
        val options = MobileInstOptions(keyframePolicy = KeyframePolicy.DRIFT, shortestInterval = 13)
        val error = assertThrows<UserError> { VideoSegmenter(engine(), options) }
        assertTrue("shortest_interval is 13, the longest interval 12" in error.message!!, error.message)
    }

    @Test
    fun `a frame of another size is refused until a reset`() {
        val segmenter = VideoSegmenter(engine())
        segmenter.process(frame(60, 80))
        val error = assertThrows<UserError> { segmenter.process(frame(80, 60)) }
        assertTrue(error.message!!.startsWith("frame 1 is 80x60, the video began with 60x80"))
        segmenter.reset()
        assertEquals(0, segmenter.process(frame(80, 60)).frameIndex)
    }

    @Test
    fun `a closed engine says so and is released once`() {
        val engine = engine()
        val segmenter = VideoSegmenter(engine)
        engine.close()
        engine.close()
        assertEquals(1, engine.released)
        val error = assertThrows<UserError> { segmenter.process(frame(60, 80)) }
        assertTrue("the artefact is closed" in error.message!!)
    }

    @Test
    fun `inputs of another name or shape are refused`() {
        val engine = engine()
        assertThrows<IllegalArgumentException> { engine.run("code", emptyMap()) }
        assertThrows<IllegalArgumentException> { engine.run("encode", emptyMap()) }
        assertThrows<IllegalArgumentException> { engine.run("encode", mapOf("frame" to Tensor(listOf(1, 3, 2, 2)))) }
    }

    @Test
    fun `an output that is not finite is an error with a cause`() {
        val cells = 16 * 16 * 32
        for ((value, word) in listOf(Float.NaN to "NaN", Float.NEGATIVE_INFINITY to "infinity")) {
            val features = FloatArray(cells).also { it[5] = value }
            val broken = ScriptedEngine(script + ("mask_features" to features), parseMetadata(text, "s"))
            val error = assertThrows<UserError> { VideoSegmenter(broken).process(frame(60, 80)) }
            assertTrue("output mask_features of entry encode holds $word on script" in error.message!!, error.message)
        }
    }

    @Test
    fun `pseudo-random inputs are Python's`() {
        // mobilevis.runtime.parity_vectors.hash_uniform(3, 2)
        assertEquals(listOf(HASH_0, HASH_1, HASH_2), List(3) { hashUniform(it, 2) })
    }

    private companion object {
        const val HASH_0 = 0.6726807311642915
        const val HASH_1 = 0.30213054013438523
        const val HASH_2 = 0.009211764438077807
    }
}
