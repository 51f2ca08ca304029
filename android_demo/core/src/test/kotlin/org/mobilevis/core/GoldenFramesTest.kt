package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Letterbox
import org.mobilevis.core.frame.LetterboxResizer
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.metadata.Size
import java.io.File
import javax.imageio.ImageIO
import kotlin.math.abs

class GoldenFramesTest {
    private val input = Size(128, 256)

    @Test
    fun `the network's input is Python's`() {
        val pictures = File(Golden.folder, "frames").listFiles { file -> file.extension == "png" }!!.sorted()
        assertEquals(7, pictures.size)
        for (picture in pictures) {
            val frame = readPng(picture)
            val tensor = Tensor(listOf(1, 3, input.height, input.width))
            val letterbox = Letterbox.fit(Size(frame.height, frame.width), input)
            LetterboxResizer(letterbox).resize(frame, tensor)
            val ours = FloatArray(tensor.size).also { tensor.read(it) }
            val theirs = Golden.floats(File(picture.path.replace(".png", ".f32")))
            val worst = ours.indices.maxOf { abs(ours[it] - theirs[it]) }
            assertEquals(0f, worst, "${picture.name}: grey levels")
        }
    }
}

/** A PNG as interleaved RGB. */
fun readPng(file: File): RgbFrame {
    val image = ImageIO.read(file)
    val packed = image.getRGB(0, 0, image.width, image.height, null, 0, image.width)
    val bytes = ByteArray(3 * packed.size)
    for ((i, pixel) in packed.withIndex()) {
        bytes[3 * i] = (pixel shr 16).toByte()
        bytes[3 * i + 1] = (pixel shr 8).toByte()
        bytes[3 * i + 2] = pixel.toByte()
    }
    return RgbFrame(bytes, image.height, image.width)
}
