package org.mobilevis.core

import io.kotest.property.Arb
import io.kotest.property.arbitrary.double
import io.kotest.property.checkAll
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.BoxMotion
import org.mobilevis.core.driver.CellChoice
import org.mobilevis.core.driver.LikelyCells
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.driver.cutToBox
import org.mobilevis.core.driver.iou
import java.io.File
import kotlin.random.Random

class CellsTest {
    @Test
    fun `cells are likely from the least score on, in their order`() {
        val likely = LikelyCells(5, leastScore = 0.3f)
        assertEquals(3, likely.find(floatArrayOf(0.3f, 0.29f, 0.9f, 0f, 0.5f)))
        assertArrayEquals(intArrayOf(0, 2, 4), likely.indices.copyOf(3))
    }

    @Test
    fun `of too many likely cells the likeliest are taken, of equal ones the first`() {
        val likely = LikelyCells(1010, leastScore = 0f)
        val objectness = FloatArray(1010) { 0.5f }
        objectness.fill(0.1f, 0, 5)
        objectness[1009] = 0.9f
        assertEquals(1000, likely.find(objectness))
        assertArrayEquals(IntArray(999) { it + 5 } + 1009, likely.indices)
    }

    @Test
    fun `cells are chosen by falling score, equal ones in their order`() {
        val apart = FloatArray(4 * 4) { 0.25f * (it / 4) + if (it % 4 < 2) 0f else 0.2f }
        val choice = CellChoice(4, 1, leastScore = 0.3f, nmsIou = 0.5f, most = 3)
        assertEquals(3, choice.choose(floatArrayOf(0.5f, 0.9f, 0.2f, 0.5f), apart, 4))
        assertArrayEquals(intArrayOf(1, 0, 3), choice.chosen)
    }

    @Test
    fun `a cell is dropped for a better one of its class on the same place`() {
        val same = floatArrayOf(0f, 0f, 1f, 1f, 0f, 0f, 1f, 0.9f, 0f, 0f, 1f, 1f)
        val choice = CellChoice(9, 2, leastScore = 0.1f, nmsIou = 0.65f, most = 3)
        assertEquals(2, choice.choose(floatArrayOf(0.5f, 0f, 0.7f, 0f, 0f, 0.6f), same, 3))
        assertArrayEquals(intArrayOf(1, 2), choice.chosen.copyOf(2))
    }

    @Test
    fun `no two chosen cells of a class overlap by more than is allowed`() =
        runBlocking<Unit> {
            checkAll(60, Arb.double(0.0, 1.0)) { seed ->
                val random = Random(seed.toBits())
                val scores = FloatArray(50 * 3) { random.nextFloat() }
                val boxes = FloatArray(50 * 4)
                for (cell in 0 until 50) {
                    for (axis in 0..1) {
                        boxes[4 * cell + axis] = 0.5f * random.nextFloat()
                        boxes[4 * cell + 2 + axis] = boxes[4 * cell + axis] + 0.3f
                    }
                }
                val choice = CellChoice(50, 3, 0.5f, 0.3f, 50)
                val chosen = choice.chosen.copyOf(choice.choose(scores, boxes, 50))
                for (first in chosen) {
                    for (second in chosen) {
                        val isRival = classOf(scores, first) == classOf(scores, second) && first != second
                        assertTrue(!isRival || iou(boxes, 4 * first, 4 * second) <= 0.3f)
                    }
                }
            }
        }

    private fun classOf(
        scores: FloatArray,
        cell: Int,
    ) = (0 until 3).maxByOrNull { scores[3 * cell + it] }

    @Test
    fun `outside its box a mask is background`() {
        val logits = FloatArray(4 * 4) { 2f }
        cutToBox(logits, 0, 4, 4, floatArrayOf(0.25f, 0.25f, 0.75f, 0.75f), 0f, edge = -1f)
        val inside = setOf(5, 6, 9, 10)
        for (i in logits.indices) assertEquals(if (i in inside) 2f else -4f, logits[i], "$i")
    }

    @Test
    fun `a kernel's place answers where its object went`() {
        // (x, y) of the peak of -4 (x - 0.1)² - 4 (y + 0.2)² + 1, moved by (0.05, -0.1).
        val kernel = floatArrayOf(7f, -4f, -4f, 0.8f, -1.6f, 1f - 0.04f - 0.16f)
        val motion = BoxMotion()
        motion.between(floatArrayOf(0.4f, 0.1f, 0.8f, 0.5f), floatArrayOf(0.45f, 0f, 0.85f, 0.4f), 0)
        val moved = FloatArray(6)
        motion.moveKernel(kernel, 0, moved)
        assertEquals(7f, moved[0])
        assertEquals(0.15f, -moved[3] / (2 * moved[1]), 1e-6f)
        assertEquals(-0.3f, -moved[4] / (2 * moved[2]), 1e-6f)
        val box = FloatArray(4)
        motion.moveBox(floatArrayOf(0.4f, 0.1f, 0.8f, 0.5f), 0, box)
        for ((expected, found) in listOf(0.45f, 0f, 0.85f, 0.4f).zip(box.toList())) assertEquals(expected, found, 1e-6f)
    }

    @Test
    fun `a mask that flickers moves its place by a factor of two at most`() {
        val motion = BoxMotion()
        motion.between(floatArrayOf(0f, 0f, 0.1f, 0.1f), floatArrayOf(0f, 0f, 1f, 1f), 0)
        val box = FloatArray(4)
        motion.moveBox(floatArrayOf(0f, 0f, 0.1f, 0.1f), 0, box)
        assertEquals(0.2f, box[2] - box[0], 1e-6f)
    }

    @Test
    fun `slots are refused, which need queries`() {
        val engine = ScriptedEngine.of(File(Golden.folder, "clips/mobileinst-dense/exits"))
        val options = MobileInstOptions(association = AssociationKind.SLOTS)
        val error = assertThrows<UserError> { VideoSegmenter(engine, options) }
        assertTrue(error.message!!.startsWith("association slots needs queries: take another"), error.message)
    }
}
