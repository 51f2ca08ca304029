package org.mobilevis.app

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.widget.TextView
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File

/** The application under test. */
val testApp: TestApplication get() = RuntimeEnvironment.getApplication() as TestApplication

/** Runs the main thread's queue until [isTrue], which other threads bring about. */
fun waitUntil(
    what: String,
    isTrue: () -> Boolean,
) {
    val deadline = System.nanoTime() + 60_000_000_000L
    while (!isTrue()) {
        check(System.nanoTime() < deadline) { "never: $what" }
        Thread.sleep(5)
        shadowOf(Looper.getMainLooper()).idle()
    }
}

/** The text of a view. */
fun Activity.text(id: Int): String = findViewById<TextView>(id).text.toString()

/** Whether a view is seen. */
fun Activity.isSeen(id: Int): Boolean = findViewById<View>(id).isShown

/** Presses a button. */
fun Activity.press(id: Int) {
    check(findViewById<View>(id).performClick())
    shadowOf(Looper.getMainLooper()).idle()
}

/** Draws the screen into target/screenshots, to be looked at. */
fun Activity.screenshot(name: String): Bitmap {
    val root = window.decorView
    val metrics = resources.displayMetrics
    root.measure(
        View.MeasureSpec.makeMeasureSpec(metrics.widthPixels, View.MeasureSpec.EXACTLY),
        View.MeasureSpec.makeMeasureSpec(metrics.heightPixels, View.MeasureSpec.EXACTLY),
    )
    root.jumpDrawablesToCurrentState() // no animation runs here
    root.layout(0, 0, root.measuredWidth, root.measuredHeight)
    val bitmap = Bitmap.createBitmap(root.width, root.height, Bitmap.Config.ARGB_8888)
    root.draw(Canvas(bitmap))
    val file = File("target/screenshots/$name.png")
    file.parentFile?.mkdirs()
    file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    return bitmap
}
