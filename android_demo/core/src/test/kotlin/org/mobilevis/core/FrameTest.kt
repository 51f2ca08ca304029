package org.mobilevis.core

import io.kotest.property.Arb
import io.kotest.property.arbitrary.int
import io.kotest.property.checkAll
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.frame.LetterboxResizer
import org.mobilevis.core.frame.Plane
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.frame.Rotation
import org.mobilevis.core.frame.YuvFrame
import org.mobilevis.core.metadata.Size
import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.floor
import kotlin.random.Random

class FrameTest {
    private fun rows(frame: Frame): List<FloatArray> =
        List(frame.height) { y -> FloatArray(3 * frame.width).also { frame.readRow(y, it) } }

    @Test
    fun `rotations turn clockwise`() {
        // One row of two pixels, 1 then 2.
        val pixels = byteArrayOf(1, 1, 1, 2, 2, 2)

        fun turned(degrees: Int) =
            rows(RgbFrame(pixels, 1, 2, rotation = Rotation.of(degrees))).map { row ->
                row.take(row.size / 3).map { it.toInt() }
            }
        assertEquals(listOf(listOf(1, 2)), turned(0))
        assertEquals(listOf(listOf(1), listOf(2)), turned(90))
        assertEquals(listOf(listOf(2, 1)), turned(180))
        assertEquals(listOf(listOf(2), listOf(1)), turned(270))
        assertThrows<IllegalArgumentException> { Rotation.of(45) }
    }

    @Test
    fun `strides and layouts of YUV do not matter`() =
        runBlocking<Unit> {
            checkAll(60, Arb.int(1..9), Arb.int(1..9), Arb.int(0..3)) { height, width, turns ->
                val random = Random(height * 100 + width)
                val luma = List(height) { random.nextBytes(width) }
                val chroma = List(2) { List((height + 1) / 2) { random.nextBytes((width + 1) / 2) } }
                val rotation = Rotation.of(90 * turns)
                val planar =
                    YuvFrame(plane(luma, 1, 0), plane(chroma[0], 1, 0), plane(chroma[1], 1, 3), height, width, rotation)
                val shared =
                    YuvFrame(plane(luma, 1, 5), plane(chroma[0], 2, 1), plane(chroma[1], 2, 4), height, width, rotation)
                rows(planar).zip(rows(shared)).forEach { (a, b) -> assertArrayEquals(a, b) }
                assertEquals(if (turns % 2 == 0) height else width, planar.height)
            }
        }

    private fun plane(
        rows: List<ByteArray>,
        pixelStride: Int,
        padding: Int,
    ): Plane {
        val rowStride = rows[0].size * pixelStride + padding
        val buffer = ByteBuffer.allocateDirect(rows.size * rowStride)
        for ((y, row) in rows.withIndex()) {
            for ((x, value) in row.withIndex()) buffer.put(y * rowStride + x * pixelStride, value)
        }
        return Plane(buffer, rowStride, pixelStride)
    }

    @Test
    fun `a frame of half the size has the means of four pixels`() =
        runBlocking<Unit> {
            checkAll(40, Arb.int(1..6), Arb.int(1..6), Arb.int(0..3)) { halfHeight, halfWidth, turns ->
                val (height, width) = 2 * halfHeight to 2 * halfWidth
                val random = Random(height * 100 + width)
                val rotation = Rotation.of(90 * turns)
                val rgb = RgbFrame(random.nextBytes(3 * height * width), height, width, rotation = rotation)
                assertHalved(rgb, 0f)
                // Of middling values: colours that YUV clamps are clamped once for all four.
                val bytes = { size: Int -> ByteArray(size) { random.nextInt(90, 160).toByte() } }
                val luma = plane(List(height) { bytes(width) }, 1, 2)
                val (blue, red) = List(2) { plane(List(halfHeight) { bytes(halfWidth) }, 2, 1) }
                assertHalved(YuvFrame(luma, blue, red, height, width, rotation), 1f)
            }
        }

    private fun assertHalved(
        frame: Frame,
        tolerance: Float,
    ) {
        val (whole, width) = rows(frame) to frame.width
        val half = FloatArray(3 * width / 2)
        for (y in 0 until frame.height / 2) {
            frame.readHalfRow(y, half)
            for (i in half.indices) {
                val four = listOf(2 * y, 2 * y + 1).flatMap { listOf(whole[it][2 * i], whole[it][2 * i + 1]) }
                assertEquals(floor(four.average() + 0.5).toFloat(), half[i], tolerance)
            }
        }
    }

    @Test
    fun `YUV becomes RGB by BT 601 in full range`() {
        for ((y, u, v) in listOf(Triple(0, 0, 0), Triple(255, 128, 128), Triple(90, 240, 30), Triple(200, 7, 255))) {
            val planes = listOf(y, u, v).map { Plane(ByteBuffer.wrap(byteArrayOf(it.toByte())), 1, 1) }
            val row = rows(YuvFrame(planes[0], planes[1], planes[2], 1, 1))[0]
            val (blue, red) = u - 128.0 to v - 128.0
            val expected = listOf(y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue)
            for (i in 0..2) {
                assertTrue(
                    abs(expected[i].coerceIn(0.0, 255.0) - row[i]) <= 0.51,
                    "$y $u $v: ${row.toList()}",
                )
            }
        }
    }

    @Test
    fun `planes that are too short are refused`() {
        val small = Plane(ByteBuffer.allocate(3), 2, 1)
        val enough = Plane(ByteBuffer.allocate(4), 2, 1)
        assertThrows<IllegalArgumentException> { YuvFrame(small, enough, enough, 2, 2) }
        assertThrows<IllegalArgumentException> { YuvFrame(enough, Plane(ByteBuffer.allocate(0), 1, 1), enough, 2, 2) }
        assertThrows<IllegalArgumentException> { RgbFrame(ByteArray(11), 2, 2) }
        assertThrows<IllegalArgumentException> { RgbFrame(ByteArray(11), 0, 2) }
    }

    @Test
    fun `a letterbox keeps the aspect and fits`() =
        runBlocking<Unit> {
            checkAll(300, Arb.int(1..3000), Arb.int(1..3000)) { height, width ->
                val letterbox = Letterbox.fit(Size(height, width), Size(320, 640))
                val (h, w) = letterbox.content
                assertTrue(h in 1..320 && w in 1..640)
                assertTrue(h == 320 || w == 640)
                val scale = minOf(320.0 / height, 640.0 / width)
                assertTrue(abs(h - height * scale) <= 0.5 + 1e-9 || h == 1)
                assertTrue(abs(w - width * scale) <= 0.5 + 1e-9 || w == 1)
            }
        }

    @Test
    fun `one colour stays one colour and the padding stays black`() =
        runBlocking<Unit> {
            checkAll(40, Arb.int(1..90), Arb.int(1..90)) { height, width ->
                val pixels = ByteArray(3 * height * width) { byteArrayOf(10, -56, 77)[it % 3] }
                val input = Size(24, 40)
                val letterbox = Letterbox.fit(Size(height, width), input)
                val tensor = Tensor(listOf(1, 3, input.height, input.width))
                LetterboxResizer(letterbox).resize(RgbFrame(pixels, height, width), tensor)
                for (channel in 0..2) {
                    for (y in 0 until input.height) {
                        for (x in 0 until input.width) {
                            val inside = y < letterbox.content.height && x < letterbox.content.width
                            val expected = if (inside) listOf(10f, 200f, 77f)[channel] else 0f
                            assertEquals(expected, tensor.floats.get((channel * input.height + y) * input.width + x))
                        }
                    }
                }
            }
        }
}
