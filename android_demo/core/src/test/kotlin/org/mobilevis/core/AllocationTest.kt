package org.mobilevis.core

import com.sun.management.ThreadMXBean
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.KeyframePolicy
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.frame.RgbFrame
import java.io.File
import java.lang.management.ManagementFactory

class AllocationTest {
    private val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean

    @ParameterizedTest
    @CsvSource(
        "mobileinst,slots,fixed",
        "mobileinst,online,fixed",
        "mobileinst,appearance,drift",
        "mobileinst-dense,online,fixed",
        "mobileinst-dense,appearance,drift",
    )
    fun `a frame allocates little beside its results`(
        driver: String,
        association: String,
        policy: String,
    ) {
        val engine = ScriptedEngine.of(File(Golden.folder, "clips/$driver/counts"))
        val options =
            MobileInstOptions(
                association = AssociationKind.of(association),
                keyframePolicy = KeyframePolicy.of(policy),
            )
        val segmenter = VideoSegmenter(engine, options)
        val frame = RgbFrame(ByteArray(3 * 199 * 501), 199, 501)
        repeat(2 * FRAMES) { segmenter.process(frame) }
        val before = threads.currentThreadAllocatedBytes
        repeat(2 * FRAMES) { segmenter.process(frame) }
        val each = (threads.currentThreadAllocatedBytes - before) / (2 * FRAMES)
        println("$driver, $association, $policy: $each bytes a frame")
        assertTrue(each < 64 * 1024, "$each bytes a frame")
    }

    private companion object {
        const val FRAMES = 48
    }
}
