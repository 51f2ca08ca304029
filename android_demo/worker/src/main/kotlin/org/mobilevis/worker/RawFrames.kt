package org.mobilevis.worker

import org.mobilevis.core.UserError
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.frame.Plane
import org.mobilevis.core.frame.YuvFrame
import org.mobilevis.core.startingAt
import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/**
 * A clip as a camera would give it: frames of I420 in full range one after the other, which the host has decoded.
 *
 * @param file is called `…_HEIGHTxWIDTH.i420`, with even sides.
 * @throws UserError its name or its size are not those of whole frames.
 */
internal class RawFrames(
    file: File,
) {
    private val height: Int
    private val width: Int
    private val content: ByteBuffer

    /** Number of frames. */
    val count: Int

    init {
        val sides = Regex(".*_(\\d{1,5})x(\\d{1,5})\\.i420").matchEntire(file.name)?.destructured
        val (rows, columns) = sides?.toList()?.map { it.toInt() } ?: listOf(0, 0)
        height = rows
        width = columns
        val frameBytes = height.toLong() * width * 3 / 2
        val bytes = file.length()
        val areWhole = frameBytes > 0L && bytes > 0L && bytes % frameBytes == 0L
        if (!areWhole || bytes > Int.MAX_VALUE) {
            throw UserError("the clip is no whole frames", file.name, "give another --source")
        }
        count = (bytes / frameBytes).toInt()
        content =
            RandomAccessFile(file, "r").use { it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.length()) }
    }

    /** Frame [index]. */
    fun frame(index: Int): Frame {
        val luma = height * width
        val begin = index * (luma + luma / 2)
        val planes =
            listOf(0 to width, luma to width / 2, luma + luma / 4 to width / 2).map { (from, stride) ->
                Plane(slice(begin + from), stride, 1)
            }
        return YuvFrame(planes[0], planes[1], planes[2], height, width)
    }

    private fun slice(from: Int): ByteBuffer = content.duplicate().startingAt(from).slice()
}
