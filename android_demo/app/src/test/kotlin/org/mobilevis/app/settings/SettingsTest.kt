package org.mobilevis.app.settings

import android.widget.SeekBar
import android.widget.Spinner
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.LicencesActivity
import org.mobilevis.app.R
import org.mobilevis.app.press
import org.mobilevis.app.testApp
import org.mobilevis.app.text
import org.mobilevis.core.driver.AssociationKind
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf

@RunWith(RobolectricTestRunner::class)
class SettingsTest {
    private val preferences = testApp.getSharedPreferences("other", 0)
    private val store = SettingsStore(preferences, mostThreads = 4)

    @Test
    fun `settings are read as they were stored`() {
        val all = Settings("a.pte", SourceKind.VIDEO, "content://a/b", 5, 3, AssociationKind.ONLINE, 70)
        store.update { all }
        assertEquals(all, store.read())
        assertEquals(0.7, store.read().toOptions().scoreThreshold, 1e-9)
        assertEquals(5, store.read().toOptions().keyframeInterval)
    }

    @Test
    fun `values that this version or device does not know fall back`() {
        preferences
            .edit()
            .putString("source", "DRONE")
            .putString("association", "magic")
            .putInt("threads", 64)
            .putInt("score_percent", 400)
            .putInt("keyframe_interval", -2)
            .apply()
        assertEquals(Settings(threads = 4, scorePercent = 100), store.read())
    }

    @Test
    fun `appearance is the association unless another one, or the model's own, is chosen`() {
        assertEquals(AssociationKind.APPEARANCE, store.read().toOptions().association)
        store.update { it.copy(association = null) }
        assertEquals(null, store.read().toOptions().association)
        store.update { it.copy(association = AssociationKind.SLOTS) }
        assertEquals(AssociationKind.SLOTS, store.read().toOptions().association)
    }

    @Test
    fun `each association is offered in words, the default first`() {
        val activity = Robolectric.buildActivity(SettingsActivity::class.java).setup().get()
        val spinner = activity.findViewById<Spinner>(R.id.association)
        val words = List(spinner.count) { spinner.getItemAtPosition(it).toString() }
        assertEquals(listOf("appearance", "the model's own", "online", "slots"), words.map { it.substringBefore(':') })
        assertTrue(words[0], "(default)" in words[0] && spinner.selectedItemPosition == 0)
        spinner.setSelection(1)
        org.robolectric.shadows.ShadowLooper
            .idleMainLooper()
        assertEquals(null, testApp.settings.read().association)
    }

    @Test
    fun `choices on the screen are stored at once`() {
        val activity = Robolectric.buildActivity(SettingsActivity::class.java).setup().get()
        activity.findViewById<Spinner>(R.id.keyframe_interval).setSelection(3)
        activity.findViewById<Spinner>(R.id.association).setSelection(2)
        activity.findViewById<SeekBar>(R.id.score).progress = 55
        org.robolectric.shadows.ShadowLooper
            .idleMainLooper()
        val settings = testApp.settings.read()
        assertEquals(3, settings.keyframeInterval)
        assertEquals(AssociationKind.ONLINE, settings.association)
        assertEquals(55, settings.scorePercent)
        assertEquals(activity.getString(R.string.score_threshold, 55), activity.text(R.id.score_label))
    }

    @Test
    fun `the licences of all that is inside are shown`() {
        val settings = Robolectric.buildActivity(SettingsActivity::class.java).setup().get()
        settings.press(R.id.licences)
        val next = shadowOf(settings).nextStartedActivity
        assertEquals(LicencesActivity::class.java.name, next.component?.className)
        val text =
            Robolectric
                .buildActivity(LicencesActivity::class.java)
                .setup()
                .get()
                .text(R.id.licences_text)
        for (part in listOf("TensorFlow Lite", "ExecuTorch", "fbjni", "Kotlin", "libc++", "Intel")) {
            assertTrue(part, part in text)
        }
        for (licence in listOf("Apache License", "BSD 3-clause licence", "MIT License")) {
            assertTrue(
                licence,
                licence in text,
            )
        }
    }
}
