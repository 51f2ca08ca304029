package org.mobilevis.app

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Color
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.models.ModelActivity
import org.mobilevis.app.settings.SettingsActivity
import org.mobilevis.app.settings.SourceKind
import org.mobilevis.app.view.TrackColors
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config

/** Draws the screens with Android's own graphics; target/screenshots is there to be looked at. */
@RunWith(RobolectricTestRunner::class)
@Config(qualifiers = "w411dp-h891dp-xhdpi")
class ScreenshotTest {
    @Before
    fun install() {
        testApp.installStandIn()
        testApp.settings.update { it.copy(source = SourceKind.SAMPLE) }
    }

    private fun live(): Activity {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        waitUntil("three objects") { "3 objects" in activity.text(R.id.hud) }
        return activity
    }

    private fun Bitmap.count(isCounted: (Int) -> Boolean): Int {
        val pixels = IntArray(width * height)
        getPixels(pixels, 0, width, 0, 0, width, height)
        return pixels.count(isCounted)
    }

    @Test
    fun `portrait shows contours in the colours of their identities`() {
        val bitmap = live().screenshot("live-portrait")
        for (color in COLORS) assertTrue("$color", bitmap.count { it == color } > 200)
    }

    @Test
    @Config(qualifiers = "w891dp-h411dp-land-xhdpi")
    fun `landscape has its buttons beside the picture`() {
        val activity = live()
        val bitmap = activity.screenshot("live-landscape")
        for (color in COLORS) assertTrue("$color", bitmap.count { it == color } > 200)
        val picture = activity.findViewById<android.view.View>(R.id.picture)
        assertTrue(picture.width < activity.findViewById<android.view.View>(android.R.id.content).width)
    }

    @Test
    fun `a notice is readable on light`() = notice("notice-light", isLight = true)

    @Test
    @Config(qualifiers = "w411dp-h891dp-night-xhdpi")
    fun `a notice is readable on dark`() = notice("notice-dark", isLight = false)

    private fun notice(
        name: String,
        isLight: Boolean,
    ) {
        testApp.settings.update { it.copy(source = SourceKind.BACK_CAMERA) }
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        val bitmap = activity.screenshot(name)
        val light = bitmap.count { Color.luminance(it) > 0.8 }
        val dark = bitmap.count { Color.luminance(it) in 0.005..0.1 }
        assertTrue("$light light, $dark dark", if (isLight) light > 40_000 else light < 20_000 && dark > 40_000)
    }

    @Test
    fun `the screen of models on light`() = models("models-light")

    @Test
    @Config(qualifiers = "w411dp-h891dp-night-xhdpi")
    fun `the screen of models on dark`() = models("models-dark")

    private fun models(name: String) {
        val activity = Robolectric.buildActivity(ModelActivity::class.java).setup().get()
        waitUntil("the facts") { activity.text(R.id.facts).isNotEmpty() }
        activity.press(R.id.self_check)
        waitUntil("the verdict") { activity.text(R.id.status).startsWith("Passed") }
        assertTrue(activity.screenshot(name).count { it == Color.TRANSPARENT } == 0)
    }

    @Test
    fun `the settings`() {
        val activity = Robolectric.buildActivity(SettingsActivity::class.java).setup().get()
        assertTrue(activity.screenshot("settings").count { Color.luminance(it) < 0.2 } > 1000)
    }

    private companion object {
        val COLORS = TrackColors().update(listOf(1, 2, 3))
    }
}
