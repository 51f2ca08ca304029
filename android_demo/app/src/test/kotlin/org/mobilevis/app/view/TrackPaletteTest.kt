package org.mobilevis.app.view

import org.junit.Assert.assertEquals
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

@RunWith(RobolectricTestRunner::class)
class TrackPaletteTest {
    @Test
    fun `colours are the Python runtime's`() {
        val script = "from mobilevis.runtime.draw import track_color\nfor i in range(1, 400): print(*track_color(i))"
        val python = System.getProperty("mobilevis.python", "python3")
        val process = ProcessBuilder(python, "-c", script).start()
        val lines = process.inputStream.bufferedReader().readLines()
        assumeTrue("$python has no mobilevis: give one with -Dmobilevis.python=...", process.waitFor() == 0)
        val own = (1 until 400).map { trackColor(it) }.map { "${it shr 16 and 255} ${it shr 8 and 255} ${it and 255}" }
        assertEquals(lines, own)
    }

    @Test
    fun `ink is black on light colours and white on dark ones`() {
        assertEquals(0xFF000000.toInt(), inkOn(0xFFFFFF00.toInt()))
        assertEquals(0xFFFFFFFF.toInt(), inkOn(0xFF004000.toInt()))
    }
}
