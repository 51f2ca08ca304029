package org.mobilevis.core

import io.kotest.property.Arb
import io.kotest.property.arbitrary.double
import io.kotest.property.arbitrary.int
import io.kotest.property.checkAll
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.mobilevis.core.association.Assignment
import org.mobilevis.core.association.Fusion
import org.mobilevis.core.association.OnlineAssociation
import org.mobilevis.core.association.SameObject
import org.mobilevis.core.association.SlotAssociation
import org.mobilevis.core.mask.BitMask
import kotlin.random.Random

class AssociationTest {
    @Test
    fun `an assignment has the largest sum of all`() =
        runBlocking<Unit> {
            val assignment = Assignment()
            checkAll(300, Arb.int(0..5), Arb.int(0..5), Arb.double(0.0, 1.0)) { rows, columns, seed ->
                val random = Random(seed.toBits())
                // Coarse values make equal ones likely.
                val gain = DoubleArray(rows * columns) { random.nextInt(-3, 4).toDouble() }
                val result = IntArray(rows)
                assignment.solve(gain, rows, columns, result)
                val used = result.filter { it >= 0 }
                assertEquals(minOf(rows, columns), used.size)
                assertEquals(used.size, used.distinct().size)
                val sum = result.indices.filter { result[it] >= 0 }.sumOf { gain[it * columns + result[it]] }
                assertEquals(best(gain, rows, columns, 0, 0, minOf(rows, columns)), sum, 1e-9)
            }
        }

    private fun best(
        gain: DoubleArray,
        rows: Int,
        columns: Int,
        row: Int,
        used: Int,
        left: Int,
    ): Double {
        if (left == 0) return 0.0
        if (row == rows) return Double.NEGATIVE_INFINITY
        val skipped = best(gain, rows, columns, row + 1, used, left)
        val taken =
            (0 until columns).filter { used shr it and 1 == 0 }.maxOfOrNull {
                gain[row * columns + it] + best(gain, rows, columns, row + 1, used or (1 shl it), left - 1)
            }
        return maxOf(skipped, taken ?: Double.NEGATIVE_INFINITY)
    }

    @Test
    fun `slots follow kernels that change places`() {
        val slots = SlotAssociation(2)
        val ids = IntArray(2)
        slots.update(floatArrayOf(1f, 0f, 0f, 1f), FloatArray(2), 2, ids)
        assertArrayEquals(intArrayOf(1, 2), ids)
        slots.update(floatArrayOf(0.1f, 3f, 5f, 0f), FloatArray(2), 2, ids)
        assertArrayEquals(intArrayOf(2, 1), ids)
        slots.update(floatArrayOf(5f, 0f, 0f, 1f), FloatArray(2), 2, ids)
        assertArrayEquals(intArrayOf(1, 2), ids)
    }

    @Test
    fun `a lost track is found again until it is forgotten`() {
        val online = OnlineAssociation(2, 0.5f, keepLost = 1)
        val ids = IntArray(1)
        val kernel = floatArrayOf(1f, 0f)

        fun see(score: Float) = online.update(kernel, floatArrayOf(score), 1, ids).let { ids[0] }
        assertEquals(listOf(1, 0, 1, 0, 0, 2), listOf(0.9f, 0.1f, 0.9f, 0.1f, 0.1f, 0.9f).map(::see))
    }

    @Test
    fun `a kernel that is unlike starts a track`() {
        val online = OnlineAssociation(2, 0.5f)
        val ids = IntArray(1)
        online.update(floatArrayOf(1f, 0f), floatArrayOf(1f), 1, ids)
        online.update(floatArrayOf(0f, 1f), floatArrayOf(1f), 1, ids)
        assertEquals(2, ids[0])
    }

    @Test
    fun `detections on one object are fused by their scores`() {
        val masks = List(3) { BitMask(1, 4) }
        listOf(0, 1).forEach { masks[0].set(0, it) }
        listOf(0, 1, 2).forEach { masks[1].set(0, it) }
        masks[2].set(0, 3)
        val fusion = Fusion(3, SameObject(0.4f, 0.4f))
        fusion.find(floatArrayOf(0.25f, 0.75f, 0.5f), masks, intArrayOf(2, 3, 1), 3)
        assertEquals(2, fusion.objects)
        assertArrayEquals(intArrayOf(0, 0, 1), fusion.objectOf)
        assertArrayEquals(floatArrayOf(0.25f, 0.75f, 1f), fusion.weight)
    }

    @Test
    fun `what was one object on the keyframe is one until little of it overlaps`() {
        val masks = List(2) { BitMask(1, 8) }
        for (i in 0 until 4) masks[0].set(0, i)
        for (i in 2 until 6) masks[1].set(0, i)
        val (scores, areas) = floatArrayOf(0.9f, 0.8f) to intArrayOf(4, 4)

        fun objects(
            stillOneIou: Float,
            vararg together: Int,
        ): Int {
            val fusion = Fusion(2, SameObject(0.6f, stillOneIou))
            fusion.find(scores, masks, areas, 2, together)
            return fusion.objects
        }
        assertEquals(1, objects(0.3f, 3, 3))
        assertEquals(2, objects(0.3f, 3, 4))
        assertEquals(2, objects(0.4f, 3, 3))
    }
}
