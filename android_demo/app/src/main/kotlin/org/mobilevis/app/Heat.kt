package org.mobilevis.app

import android.content.Context
import android.os.Build
import android.os.PowerManager

/** `PowerManager`'s thermal status, 0 none to 6 shutdown; null before Android 10, which does not tell. */
fun thermalStatus(context: Context): Int? {
    if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return null
    return context.getSystemService(PowerManager::class.java).currentThermalStatus
}

/** A thermal status in words. */
fun thermalWords(
    context: Context,
    status: Int?,
): String {
    val words = context.resources.getStringArray(R.array.thermal_status)
    return status?.let { words.getOrNull(it) } ?: context.getString(R.string.thermal_unknown)
}
