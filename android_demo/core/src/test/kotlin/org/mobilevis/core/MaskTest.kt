package org.mobilevis.core

import io.kotest.property.Arb
import io.kotest.property.arbitrary.int
import io.kotest.property.checkAll
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.Box
import org.mobilevis.core.mask.LogitPlane
import org.mobilevis.core.mask.MaskUpsampler
import org.mobilevis.core.mask.maskIou
import org.mobilevis.core.metadata.Size
import org.mobilevis.core.results.encodeRle
import kotlin.random.Random

class MaskTest {
    private fun random(
        height: Int,
        width: Int,
        seed: Int,
    ): BitMask {
        val random = Random(seed)
        val mask = BitMask(height, width)
        for (y in 0 until height) for (x in 0 until width) if (random.nextInt(3) == 0) mask.set(y, x)
        return mask
    }

    @Test
    fun `a moved mask is the mask elsewhere`() =
        runBlocking<Unit> {
            checkAll(200, Arb.int(1..6), Arb.int(1..150), Arb.int(-7..7), Arb.int(-151..151)) { h, w, down, right ->
                val mask = random(h, w, h * w)
                val moved = BitMask(h, w).also { it.moveFrom(mask, down, right) }
                var area = 0
                for (y in 0 until h) {
                    for (x in 0 until w) {
                        val (fromY, fromX) = y - down to x - right
                        val expected = fromY in 0 until h && fromX in 0 until w && mask[fromY, fromX]
                        assertEquals(expected, moved[y, x], "$y $x")
                        if (expected) area++
                    }
                }
                assertEquals(area, moved.area())
            }
        }

    @Test
    fun `IoU counts cells`() {
        val (a, b) = random(5, 70, 1) to random(5, 70, 2)
        var both = 0
        var any = 0
        for (y in 0 until 5) {
            for (x in 0 until 70) {
                if (a[y, x] && b[y, x]) both++
                if (a[y, x] || b[y, x]) any++
            }
        }
        assertEquals(both.toFloat() / any, maskIou(a, a.area(), b, b.area()))
        assertEquals(0f, maskIou(BitMask(1, 1), 0, BitMask(1, 1), 0))
    }

    @Test
    fun `the centre is the mean place`() {
        val mask = BitMask(4, 100)
        mask.set(1, 10)
        mask.set(3, 90)
        val centre = DoubleArray(2).also { mask.centre(it) }
        assertEquals(listOf(2.0, 50.0), centre.toList())
    }

    @Test
    fun `a run-length string decodes to the mask`() =
        runBlocking<Unit> {
            checkAll(200, Arb.int(1..12), Arb.int(1..12), Arb.int(0..4), Arb.int(0..4)) { h, w, top, left ->
                val mask = random(h, w, h + 31 * w)
                val frame = Size(h + top + 1, w + left + 2)
                val text = encodeRle(mask, Box(left, top, left + w, top + h), frame)
                val pixels = decodeRle(text)
                assertEquals(frame.height * frame.width, pixels.size)
                for (y in 0 until frame.height) {
                    for (x in 0 until frame.width) {
                        val inside = y - top in 0 until h && x - left in 0 until w
                        assertEquals(inside && mask[y - top, x - left], pixels[x * frame.height + y])
                    }
                }
            }
        }

    @Test
    fun `a mask without foreground has no place`() {
        val letterbox = Letterbox.fit(Size(16, 16), Size(16, 16))
        val plane = LogitPlane(FloatArray(16) { -1f }, 4, Size(4, 4))
        assertNull(MaskUpsampler(letterbox, 4, 0f).place(plane))
        assertEquals(0f, plane.maskness(0f))
    }

    @Test
    fun `a half of the cells is a half of the frame`() {
        val letterbox = Letterbox.fit(Size(16, 16), Size(16, 16))
        val plane = LogitPlane(FloatArray(16) { if (it % 4 < 2) 1f else -1f }, 4, Size(4, 4))
        val placed = MaskUpsampler(letterbox, 4, 0f).place(plane)!!
        assertEquals(Box(0, 0, 8, 16), placed.box)
        assertEquals(8 * 16, placed.mask.area())
    }
}

/** The pixels of a run-length string, down the columns. */
fun decodeRle(text: String): BooleanArray {
    val runs = ArrayList<Int>()
    var next = 0
    while (next < text.length) {
        var value = 0
        var shift = 0
        var group: Int
        do {
            group = text[next++].code - 48
            value = value or ((group and 0x1F) shl shift)
            shift += 5
        } while (group and 0x20 != 0)
        if (group and 0x10 != 0) value = value or (-1 shl shift)
        runs += if (runs.size > 2) value + runs[runs.size - 2] else value
    }
    val pixels = BooleanArray(runs.sum())
    var at = 0
    for ((position, run) in runs.withIndex()) {
        pixels.fill(position % 2 == 1, at, at + run)
        at += run
    }
    return pixels
}
