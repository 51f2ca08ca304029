package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import org.mobilevis.core.association.CameraWatch
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.metadata.Size
import kotlin.math.sin

private val INPUT = Size(320, 640)
private const val HALF_A_CELL = 8.0

class CameraWatchTest {
    private val frame = Tensor(listOf(1, 3, INPUT.height, INPUT.width))
    private val letterbox = Letterbox.fit(INPUT, INPUT)

    /** Blots that moved so many pixels to the right. */
    private fun draw(right: Int) {
        val picture =
            FloatArray(INPUT.height * INPUT.width) { i ->
                val (y, x) = i / INPUT.width to i % INPUT.width - right
                (128 + 60 * sin(y / 40.0 + sin(x / 90.0)) + 60 * sin(x / 37.0 + sin(y / 70.0))).toFloat()
            }
        frame.write(picture, picture.size)
    }

    private fun CameraWatch.show(right: Int) {
        draw(right)
        show()
    }

    @Test
    fun `a step is since the last frame that was looked at`() {
        for (tellsMotion in listOf(false, true)) {
            val watch = CameraWatch(frame, letterbox, tellsMotion)
            watch.show(0)
            assertNull(watch.findStep())
            watch.show(64)
            watch.show(32)
            assertArrayEquals(doubleArrayOf(0.0, 32.0), watch.findStep(), HALF_A_CELL)
        }
    }

    @Test
    fun `a frame is looked at once, whoever asks`() {
        for (tellsMotion in listOf(false, true)) {
            val watch = CameraWatch(frame, letterbox, tellsMotion)
            watch.show(0)
            watch.look()
            watch.show(32)
            watch.look()
            draw(96)
            repeat(2) { assertArrayEquals(doubleArrayOf(0.0, 32.0), watch.findStep(), HALF_A_CELL) }
            if (tellsMotion) assertNotNull(watch.findMotion()) else assertNull(watch.findMotion())
        }
    }

    @Test
    fun `a picture of a single row of cells tells no motion`() {
        val (input, shown) = Size(320, 1088) to Size(16, 1088)
        val frame = Tensor(listOf(1, 3, input.height, input.width))
        val watch = CameraWatch(frame, Letterbox.fit(shown, input), true)
        val ripple = { i: Int -> (128 + 90 * sin(i % input.width / 37.0)).toFloat() }
        frame.write(FloatArray(3 * input.height * input.width, ripple))
        watch.show()
        watch.look()
        watch.show()
        assertNotNull(watch.findStep())
        assertNull(watch.findMotion())
    }
}
