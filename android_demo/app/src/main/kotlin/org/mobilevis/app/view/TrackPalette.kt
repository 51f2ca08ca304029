package org.mobilevis.app.view

import android.graphics.Color

/** The share of a track's hue circle from one identity to the next, as in `track_color` of runtime/draw.py. */
private const val GOLDEN_RATIO = 0.618033988749895

/** The colour of an identity, opaque ARGB; equal to the Python runtime's. */
fun trackColor(trackId: Int): Int {
    val hue = trackId * GOLDEN_RATIO % 1.0
    val (red, green, blue) = rgbOfHsv(hue, saturation = 0.75, value = if (trackId % 2 == 1) 1.0 else 0.85)
    return Color.rgb(byte(red), byte(green), byte(blue))
}

/** Black or white, whichever can be read on [color]; the rule of `draw_label`. */
fun inkOn(color: Int): Int {
    val sum = Color.red(color) + Color.green(color) + Color.blue(color)
    return if (sum > 380) Color.BLACK else Color.WHITE
}

private fun byte(share: Double): Int = Math.rint(share * 255).toInt()

/** The conversion of Python's `colorsys.hsv_to_rgb`; `Color.HSVToColor` computes in float and rounds otherwise. */
private fun rgbOfHsv(
    hue: Double,
    saturation: Double,
    value: Double,
): Triple<Double, Double, Double> {
    val sector = (hue * 6.0).toInt()
    val part = hue * 6.0 - sector
    val low = value * (1.0 - saturation)
    val falling = value * (1.0 - saturation * part)
    val rising = value * (1.0 - saturation * (1.0 - part))
    return when (sector % 6) {
        0 -> Triple(value, rising, low)
        1 -> Triple(falling, value, low)
        2 -> Triple(low, value, rising)
        3 -> Triple(low, falling, value)
        4 -> Triple(rising, low, value)
        else -> Triple(value, low, falling)
    }
}
