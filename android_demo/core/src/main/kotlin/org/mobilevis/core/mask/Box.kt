package org.mobilevis.core.mask

/** A box in whole pixels of the source frame; [x1] and [y1] are exclusive. */
data class Box(
    val x0: Int,
    val y0: Int,
    val x1: Int,
    val y1: Int,
) {
    val width: Int get() = x1 - x0
    val height: Int get() = y1 - y0
}
