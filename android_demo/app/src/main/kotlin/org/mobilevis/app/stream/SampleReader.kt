package org.mobilevis.app.stream

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import org.mobilevis.core.frame.RgbFrame
import java.io.IOException

/** Folder of the pictures inside the app; its README names their origin and licence. */
const val SAMPLE_FOLDER = "sample"

/** Four pictures a second: the clip keeps every fourth of its sixteen. */
private const val MICROSECONDS_A_PICTURE = 250_000L

/** The bundled clip, a dozen pictures of a shop's aisle: what the app shows without a camera. */
class SampleReader(
    private val assets: AssetManager,
) : PacedSource.FrameReader {
    private val names = sampleNames(assets)
    private var index = 0

    override fun next(): PacedSource.TimedFrame? {
        if (index == names.size) return null
        val frame = readSample(assets, names[index])
        return PacedSource.TimedFrame(index++ * MICROSECONDS_A_PICTURE, CapturedFrame(frame))
    }

    override fun close() = Unit
}

/** File names of the bundled pictures, in the clip's order. */
fun sampleNames(assets: AssetManager): List<String> =
    assets
        .list(SAMPLE_FOLDER)
        .orEmpty()
        .filter { it.endsWith(".jpg") }
        .sorted()

/**
 * One bundled picture.
 *
 * @throws PacedSource.VideoException it cannot be decoded.
 */
fun readSample(
    assets: AssetManager,
    name: String,
): RgbFrame {
    val bitmap =
        try {
            assets.open("$SAMPLE_FOLDER/$name").use(BitmapFactory::decodeStream)
        } catch (error: IOException) {
            throw PacedSource.VideoException(error)
        }
    return rgbFrame(bitmap ?: throw PacedSource.VideoException())
}

/** The pixels of a bitmap. */
internal fun rgbFrame(bitmap: Bitmap): RgbFrame {
    val argb = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(argb, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    val rgb = ByteArray(3 * argb.size)
    for ((i, color) in argb.withIndex()) {
        rgb[3 * i] = (color shr 16).toByte()
        rgb[3 * i + 1] = (color shr 8).toByte()
        rgb[3 * i + 2] = color.toByte()
    }
    return RgbFrame(rgb, bitmap.height, bitmap.width)
}
