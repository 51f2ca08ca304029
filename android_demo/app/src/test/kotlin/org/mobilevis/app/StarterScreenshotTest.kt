package org.mobilevis.app

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Color
import android.view.View
import org.junit.After
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.models.ModelActivity
import org.mobilevis.app.settings.SourceKind
import org.mobilevis.app.view.TrackColors
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config

/** The bundled model itself on the bundled pictures; docs shows three of these from target/screenshots. */
@RunWith(RobolectricTestRunner::class)
@Config(qualifiers = "w411dp-h891dp-xhdpi")
class StarterScreenshotTest {
    private var controller: ActivityController<out Activity>? = null

    @Before
    fun chooseTheStarter() {
        PythonEngine.assumeItRuns()
        testApp.openOther = { file, _ -> PythonEngine(file) }
        // Each frame is a keyframe: a busy machine drops so many that kernels would be reused a second later.
        testApp.settings.update {
            it.copy(source = SourceKind.SAMPLE, model = null, scorePercent = 40, keyframeInterval = 1)
        }
    }

    @After
    fun close() {
        controller?.pause()?.stop()?.destroy()
    }

    private fun <A : Activity> show(type: Class<A>): A {
        val own = Robolectric.buildActivity(type)
        controller = own
        return own.setup().get()
    }

    private fun live(): Activity {
        val activity = show(MainActivity::class.java)
        // Not the first frame, for which the engine allocates and which has no rate yet.
        val wanted = Regex("^(?!0\\.0)[0-9.]+ fps · [4-9] objects")
        waitUntil("four objects") { wanted.containsMatchIn(activity.text(R.id.hud)) }
        return activity
    }

    private fun Bitmap.count(color: Int): Int {
        val pixels = IntArray(width * height)
        getPixels(pixels, 0, width, 0, 0, width, height)
        return pixels.count { it == color }
    }

    @Test
    fun `three people are outlined, each in the colour of its identity`() {
        val bitmap = live().screenshot("starter-portrait")
        val seen = TrackColors().update((1..6).toList()).count { bitmap.count(it) > 200 }
        assertTrue("$seen colours", seen >= 3)
    }

    @Test
    @Config(qualifiers = "w891dp-h411dp-land-xhdpi")
    fun `landscape has its buttons beside the picture`() {
        val activity = live()
        activity.screenshot("starter-landscape")
        val picture = activity.findViewById<View>(R.id.picture)
        assertTrue(picture.width < activity.findViewById<View>(android.R.id.content).width)
    }

    @Test
    @Config(qualifiers = "w411dp-h891dp-night-xhdpi")
    fun `at night the model's facts and its self-check are readable`() {
        val activity = show(ModelActivity::class.java)
        waitUntil("the facts") { activity.text(R.id.facts).isNotEmpty() }
        activity.press(R.id.self_check)
        waitUntil("the verdict") { activity.text(R.id.status).startsWith("Passed") }
        val bitmap = activity.screenshot("starter-models")
        assertTrue("yolox-nano" in activity.text(R.id.facts))
        assertTrue(Color.luminance(bitmap.getPixel(bitmap.width / 2, bitmap.height - 2)) < 0.1)
    }
}
