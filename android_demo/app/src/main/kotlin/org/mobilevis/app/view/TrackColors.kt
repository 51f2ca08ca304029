package org.mobilevis.app.view

import android.graphics.Color

/** The palette of runtime/colors.py: opaque ARGB, any two at least 20 apart in CIEDE2000. */
private val PALETTE =
    listOf(
        0xE11EFF,
        0x00FF2D,
        0xFF870F,
        0x69C3FF,
        0x00785A,
        0xD20F4B,
        0xFFC3FF,
        0x875A1E,
        0x0078C3,
        0xB49600,
        0x69FFFF,
        0xF0F000,
        0x87B478,
        0xFFA596,
        0x9696E1,
        0x5A7800,
        0xFF69A5,
        0x964B87,
        0xFFD296,
        0xFF1E00,
        0x5A4BF0,
        0x0FA5A5,
    ).map { it or (0xFF shl 24) }

/** Tracks; a longer video forgets those that were seen longest ago. */
private const val MAX_REMEMBERED = 1000

/**
 * Gives the tracks of one video their colours, as `TrackColors` of runtime/colors.py.
 *
 * A new track takes the colour whose last track was seen longest ago; of several, as in the beginning, that of its
 * number or the next one. So tracks on screen together differ as long as there are colours.
 */
class TrackColors {
    private var frame = 0

    /** Track → index of its colour, the one seen longest ago first. */
    private val held = LinkedHashMap<Int, Int>()

    /** Frame in which a colour was on screen last; 0 for never. */
    private val lastUse = IntArray(PALETTE.size)

    /** The colours (opaque ARGB) of a frame's tracks, in their order; call it for every frame that is drawn. */
    fun update(trackIds: List<Int>): List<Int> {
        frame++
        val (known, new) = trackIds.partition { it in held }
        for (track in known) use(track, held.getValue(track))
        for (track in new) use(track, choose(track))
        while (held.size > maxOf(MAX_REMEMBERED, trackIds.size)) held.remove(held.keys.first())
        return trackIds.map { PALETTE[held.getValue(it)] }
    }

    private fun use(
        track: Int,
        index: Int,
    ) {
        held.remove(track)
        held[track] = index
        lastUse[index] = frame
    }

    private fun choose(track: Int): Int {
        val first = (track - 1) % PALETTE.size
        return PALETTE.indices.map { (first + it) % PALETTE.size }.minBy { lastUse[it] }
    }
}

/** Black or white, whichever can be read on [color]. */
fun inkOn(color: Int): Int = if (Color.luminance(color) > LIGHT) Color.BLACK else Color.WHITE

/** Relative luminance at which black and white have the same contrast, √(1.05 · 0.05) − 0.05. */
private const val LIGHT = 0.179
