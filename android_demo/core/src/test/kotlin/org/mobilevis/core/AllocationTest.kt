package org.mobilevis.core

import com.sun.management.ThreadMXBean
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.frame.RgbFrame
import java.io.File
import java.lang.management.ManagementFactory

class AllocationTest {
    private val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean

    @ParameterizedTest
    @CsvSource(
        "mobileinst,slots",
        "mobileinst,online",
        "mobileinst,appearance",
        "mobileinst-dense,online",
        "mobileinst-dense,appearance",
    )
    fun `a frame allocates little beside its results`(
        driver: String,
        association: String,
    ) {
        val engine = ScriptedEngine.of(File(Golden.folder, "clips/$driver/counts"))
        val segmenter = VideoSegmenter(engine, MobileInstOptions(association = AssociationKind.of(association)))
        val frame = RgbFrame(ByteArray(3 * 199 * 501), 199, 501)
        repeat(2 * FRAMES) { segmenter.process(frame) }
        val before = threads.currentThreadAllocatedBytes
        repeat(2 * FRAMES) { segmenter.process(frame) }
        val each = (threads.currentThreadAllocatedBytes - before) / (2 * FRAMES)
        println("$driver, $association: $each bytes a frame")
        assertTrue(each < 64 * 1024, "$each bytes a frame")
    }

    private companion object {
        const val FRAMES = 48
    }
}
