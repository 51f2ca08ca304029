package org.mobilevis.app.view

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.mobilevis.core.mask.BitMask
import kotlin.math.abs
import kotlin.random.Random

class OutlineTest {
    private fun mask(vararg rows: String): BitMask =
        BitMask(rows.size, rows[0].length).also { mask ->
            for ((y, row) in rows.withIndex()) for ((x, cell) in row.withIndex()) if (cell == '#') mask.set(y, x)
        }

    private fun outlines(mask: BitMask): List<List<Pair<Float, Float>>> {
        val all = ArrayList<MutableList<Pair<Float, Float>>>()
        var closed = 0
        OutlineTracer(mask).trace(
            move = { x, y -> all += mutableListOf(x to y) },
            line = { x, y -> all.last() += x to y },
            close = { closed++ },
        )
        assertEquals(all.size, closed)
        return all
    }

    /** Twice the signed area; holes count against their surroundings. */
    private fun area(outline: List<Pair<Float, Float>>): Double =
        outline.indices.sumOf {
            val (x0, y0) = outline[it]
            val (x1, y1) = outline[(it + 1) % outline.size]
            (x0 * y1 - x1 * y0).toDouble()
        } / 2

    @Test
    fun `a rectangle has one outline, with its corners cut`() {
        val found = outlines(mask("....", ".##.", ".##.", "...."))
        assertEquals(1, found.size)
        assertEquals(4 - 4 * 0.125, area(found[0]), 1e-6)
    }

    @Test
    fun `a hole has an outline of its own, the other way round`() {
        val found = outlines(mask("###", "#.#", "###"))
        assertEquals(2, found.size)
        assertTrue(found.map(::area).let { (outer, hole) -> outer > 0 && hole < 0 })
    }

    @Test
    fun `cells that touch at a corner stay apart`() {
        assertEquals(2, outlines(mask("#.", ".#")).size)
    }

    @Test
    fun `a mask that reaches its border is closed there`() {
        val found = outlines(mask("###", "###"))
        assertEquals(6 - 4 * 0.125, area(found.single()), 1e-6)
    }

    @Test
    fun `an empty mask has none`() {
        assertEquals(0, outlines(BitMask(5, 5)).size)
    }

    @Test
    fun `straight runs need their ends only`() {
        assertTrue(outlines(mask("#".repeat(100))).single().size <= 9)
    }

    @Test
    fun `outlines enclose what the mask holds, whatever its shape`() {
        val random = Random(1)
        repeat(200) {
            val mask = BitMask(1 + random.nextInt(20), 1 + random.nextInt(70))
            repeat(mask.height * mask.width / 2) { mask.set(random.nextInt(mask.height), random.nextInt(mask.width)) }
            val found = outlines(mask)
            val corners = found.sumOf { it.size }
            assertTrue(abs(found.sumOf(::area) - mask.area()) <= 0.125 * corners + 1e-3)
        }
    }
}
