package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.Arguments
import org.junit.jupiter.params.provider.MethodSource
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.KeyframePolicy
import org.mobilevis.core.driver.MobileInstDriver
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.driver.makeDriver
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.metadata.Size
import org.mobilevis.core.results.JsonLines
import java.io.File
import kotlin.math.abs
import kotlin.math.floor
import kotlin.math.ln

/** With the same network outputs, both runtimes say the same of every frame. */
class GoldenClipTest {
    @ParameterizedTest(name = "{0}, {1}, {2}, {3}")
    @MethodSource("combinations")
    fun `a scripted clip has Python's results`(
        driver: String,
        clip: String,
        name: String,
        options: MobileInstOptions,
    ) {
        val folder = File(Golden.folder, "clips/$driver/$clip")
        val expected = Golden.lines(File(folder, "$name.jsonl").readText())
        val engine = ScriptedEngine.of(folder)
        val running = makeDriver(engine, options) as MobileInstDriver
        val frames = frames(folder)
        for ((index, theirs) in expected.withIndex()) {
            val frame = frames[index % frames.size]
            val line = StringBuilder()
            JsonLines(line, engine.metadata.classes).write(running.push(frame))
            val letterbox = Letterbox.fit(Size(frame.height, frame.width), engine.metadata.inputSize)
            val isEdge: IsEdge = { row, column ->
                isEdge(
                    running.shownLogits,
                    letterbox,
                    row,
                    column,
                    MASK_LOGITS.getValue(driver.removeSuffix("-propagate")),
                )
            }
            assertSameFrame(theirs, Golden.lines(line.toString()).single(), isEdge)
        }
        assertEquals(48, expected.size)
        assertTrue(expected.sumOf { (it["instances"] as List<*>).size } > 25, "the clip shows objects")
    }

    @Test
    fun `after a reset a video has the same results again`() {
        val folder = File(Golden.folder, "clips/mobileinst/exits")
        val options = MobileInstOptions(association = AssociationKind.APPEARANCE)
        val segmenter = VideoSegmenter(ScriptedEngine.of(folder), options)
        val frame = frames(folder).single()
        val count = 48
        val first = List(count) { ids(segmenter.process(frame)) }
        segmenter.reset()
        assertEquals(first, List(count) { ids(segmenter.process(frame)) })
    }

    private fun ids(result: FrameResult) = result.instances.map { it.trackId to it.box }

    /** The frames of a clip, one after the other; a single black one where golden.py wrote none. */
    private fun frames(folder: File): List<RgbFrame> {
        val (height, width) = ((Golden.json(File(folder, "clip.json")) as Map<*, *>)["size"] as List<*>)
        val (rows, columns) = (height as Long).toInt() to (width as Long).toInt()
        val file = File(folder, "frames.rgb")
        val bytes = if (file.exists()) file.readBytes() else ByteArray(rows * columns * 3)
        return List(bytes.size / (rows * columns * 3)) {
            RgbFrame(bytes.copyOfRange(it * rows * columns * 3, (it + 1) * rows * columns * 3), rows, columns)
        }
    }

    companion object {
        /** Of the drivers, with `propagate` or without. */
        private val MASK_LOGITS = mapOf("mobileinst" to ln(0.45 / 0.55), "mobileinst-dense" to 0.0)

        /** Driver, clip, name and options of each file of results. */
        @JvmStatic
        fun combinations(): List<Arguments> =
            File(Golden.folder, "clips")
                .walk()
                .filter { it.extension == "jsonl" }
                .sorted()
                .map {
                    val name = it.nameWithoutExtension
                    val (driver, clip) = it.parentFile.parentFile.name to it.parentFile.name
                    Arguments.of(driver, clip, name, options(name))
                }.toList()
                .also { check(it.size == 102) { "${it.size} combinations" } }

        /** Of such as `appearance-3` and `appearance-3-drift`. */
        private fun options(name: String): MobileInstOptions {
            val (association, interval) = name.split("-")
            return MobileInstOptions(
                association = AssociationKind.of(association),
                keyframeInterval = interval.toInt(),
                keyframePolicy = KeyframePolicy.of(name.split("-").getOrElse(2) { "fixed" }),
            )
        }
    }
}

/** Where a mask may differ: (row, column) of the frame → whether the logit there is at the threshold itself. */
typealias IsEdge = (Int, Int) -> Boolean

/** Equal but for the times, the last bits of scores, and pixels on the very edge of a mask. */
fun assertSameFrame(
    theirs: Map<String, Any?>,
    ours: Map<String, Any?>,
    isEdge: IsEdge,
) {
    val where = "frame ${theirs["frame"]}"
    assertEquals(theirs.keys.toList(), ours.keys.toList(), where)
    assertEquals(theirs["frame"], ours["frame"])
    assertEquals(theirs["is_keyframe"], ours["is_keyframe"], where)
    assertEquals(stages(theirs), stages(ours), where)
    val (expected, actual) = (theirs["instances"] as List<*>) to (ours["instances"] as List<*>)
    assertEquals(expected.map(::outline), actual.map(::outline), where)
    for ((their, our) in expected.zip(actual)) {
        val (theirScore, ourScore) = (their as Map<*, *>)["score"] as Double to (our as Map<*, *>)["score"] as Double
        assertEquals(theirScore, ourScore, 1e-6, where)
        assertSameMask(their["segmentation"] as Map<*, *>, our["segmentation"] as Map<*, *>, isEdge)
    }
}

private fun assertSameMask(
    theirs: Map<*, *>,
    ours: Map<*, *>,
    isEdge: IsEdge,
) {
    assertEquals(theirs["size"], ours["size"])
    if (theirs["counts"] == ours["counts"]) return
    val height = ((theirs["size"] as List<*>)[0] as Long).toInt()
    val (expected, actual) = decodeRle(theirs["counts"] as String) to decodeRle(ours["counts"] as String)
    for (i in expected.indices) {
        if (expected[i] !=
            actual[i]
        ) {
            assertTrue(isEdge(i % height, i / height), "row ${i % height}, column ${i / height}")
        }
    }
}

private fun stages(record: Map<String, Any?>) = (record["milliseconds"] as Map<*, *>).keys.toList()

private fun outline(instance: Any?): List<Any?> {
    val record = instance as Map<*, *>
    return listOf(record["track_id"], record["category_id"], record["category"], record["box"])
}

/** Whether the logit of one of eight masks of 32 x 64 cells is at the threshold within 1e-4, at a pixel of the frame. */
private fun isEdge(
    logits: FloatArray,
    letterbox: Letterbox,
    row: Int,
    column: Int,
    maskLogit: Double,
): Boolean {
    val content = letterbox.contentCells(4)
    val y = (row + 0.5) * letterbox.cellsPerRow(4) - 0.5
    val x = (column + 0.5) * letterbox.cellsPerColumn(4) - 0.5
    val (top, left) = floor(y) to floor(x)
    return (0 until 8).any { slot ->
        fun cell(
            down: Int,
            right: Int,
        ): Double {
            val at = slot * 32 + (top + down).toInt().coerceIn(0, content.height - 1)
            return logits[at * 64 + (left + right).toInt().coerceIn(0, content.width - 1)].toDouble()
        }
        val above = cell(0, 0) + (cell(0, 1) - cell(0, 0)) * (x - left)
        val below = cell(1, 0) + (cell(1, 1) - cell(1, 0)) * (x - left)
        abs(above + (below - above) * (y - top) - maskLogit) < 1e-4
    }
}
