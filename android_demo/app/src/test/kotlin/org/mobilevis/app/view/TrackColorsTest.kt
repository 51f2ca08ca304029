package org.mobilevis.app.view

import org.junit.Assert.assertEquals
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import kotlin.random.Random

@RunWith(RobolectricTestRunner::class)
class TrackColorsTest {
    private val random = Random(7)
    private val frames = List(300) { frame -> List(12) { frame / 4 + random.nextInt(1, 30) }.distinct() }

    @Test
    fun `colours are the Python runtime's`() {
        val script =
            """
            from mobilevis.runtime.colors import TrackColors
            colors = TrackColors()
            for ids in $frames:
                print(*("%02x%02x%02x" % color for color in colors.update(ids)))
            """.trimIndent()
        val python = System.getProperty("mobilevis.python", "python3")
        val process = ProcessBuilder(python, "-c", script).start()
        val lines = process.inputStream.bufferedReader().readLines()
        assumeTrue("$python has no mobilevis.runtime.colors", process.waitFor() == 0)
        val colors = TrackColors()
        assertEquals(
            lines,
            frames.map { ids ->
                colors.update(ids).joinToString(" ") { "%06x".format(it and 0xFFFFFF) }
            },
        )
    }

    @Test
    fun `a track keeps its colour, and tracks on screen together differ`() {
        val colors = TrackColors()
        val seen = HashMap<Int, Int>()
        for (frame in 0 until 300) {
            val ids = (frame / 4 + 1..frame / 4 + 12).toList()
            val own = colors.update(ids)
            assertEquals(ids.size, own.toSet().size)
            for ((id, color) in ids.zip(own)) assertEquals(color, seen.getOrPut(id) { color })
        }
    }

    @Test
    fun `ink is black on light colours and white on dark ones`() {
        assertEquals(0xFF000000.toInt(), inkOn(0xFFFFFF00.toInt()))
        assertEquals(0xFFFFFFFF.toInt(), inkOn(0xFF004000.toInt()))
    }
}
