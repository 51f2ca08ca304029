package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import org.mobilevis.core.UserError
import org.mobilevis.core.engine.checkParityVectors
import org.mobilevis.core.engine.pseudoRandomInputs
import java.io.File
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.random.Random

/** What holds of every engine: ONNX Runtime is a desktop's, LiteRT's and ExecuTorch's libraries are Android's. */
class EnginesTest {
    @ParameterizedTest
    @EnumSource
    fun `the artefact's own parity vectors pass`(format: ArtefactFormat) {
        for ((driver, outputs) in mapOf("mobileinst" to 5, "mobileinst-dense" to 13)) {
            loadArtefact(Networks.artefact(driver, format), threads = 2).use { engine ->
                val results = checkParityVectors(engine)
                assertEquals(outputs, results.size)
                assertTrue(results.all { it.passed }, "$results")
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    fun `an engine is closed while others run it`(format: ArtefactFormat) {
        val engine = loadArtefact(Networks.artefact("mobileinst", format))
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

    @ParameterizedTest
    @EnumSource
    fun `300 damaged files end in one kind of error`(
        format: ArtefactFormat,
        @TempDir folder: File,
    ) {
        val artefact = Networks.artefact("mobileinst-dense", format)
        val copy = File(folder, artefact.name).also { artefact.copyRecursively(it) }
        val file = if (copy.isDirectory) File(copy, "segment.onnx") else copy
        val whole = file.readBytes()
        val random = Random(5)
        var refused = 0
        repeat(300) {
            val broken = if (it % 2 == 0) whole.copyOf(random.nextInt(whole.size)) else whole.copyOf()
            if (it % 2 == 1) repeat(20) { broken[random.nextInt(broken.size)] = random.nextInt().toByte() }
            file.writeBytes(broken)
            // Every fifth past the digest, to the engine itself.
            try {
                loadArtefact(copy, verify = it % 5 > 0).close()
            } catch (expected: UserError) {
                refused++
                assertTrue(folder.path in expected.message!! && '\n' !in expected.message!!, expected.message)
            }
        }
        assertTrue(refused >= 240, "$refused refused")
    }
}
