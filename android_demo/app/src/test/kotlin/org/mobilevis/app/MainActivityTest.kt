package org.mobilevis.app

import android.Manifest
import android.app.AlertDialog
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.PowerManager
import android.provider.Settings.ACTION_APPLICATION_DETAILS_SETTINGS
import android.view.View
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.settings.SourceKind
import org.mobilevis.core.UserError
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.shadows.ShadowDialog
import org.robolectric.shadows.ShadowPowerManager
import java.io.File

@RunWith(RobolectricTestRunner::class)
class MainActivityTest {
    private val controller: ActivityController<MainActivity> by lazy {
        Robolectric.buildActivity(MainActivity::class.java)
    }
    private val activity get() = controller.get()
    private val hud get() = activity.text(R.id.hud)

    @Before
    fun install() {
        testApp.installStandIn()
        testApp.settings.update { it.copy(source = SourceKind.SAMPLE) }
    }

    private fun open() {
        controller.setup()
        waitUntil("a picture") { "fps" in hud }
    }

    @Test
    fun `the picture comes with its figures`() {
        open()
        waitUntil("all stages") { "encode" in hud && "masks" in hud && "association" in hud }
        assertTrue(hud, "keyframe" in hud || "reused kernels" in hud)
        assertTrue(hud, Regex("dropped \\d+ % · heat: none").containsMatchIn(hud))
        assertTrue(activity.findViewById<View>(R.id.picture).contentDescription.contains("object"))
        assertFalse(activity.isSeen(R.id.notice))
    }

    @Test
    fun `heat is told as Android tells it`() {
        shadowOf(activity.getSystemService(PowerManager::class.java)).setCurrentThermalStatus(3)
        open()
        assertTrue(hud, "heat: severe" in hud)
    }

    @Test
    fun `a turned device keeps the open model`() {
        open()
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        waitUntil("a picture after the turn") { "fps" in hud }
        assertEquals(1, testApp.engines.size)
        assertEquals(0, testApp.engines[0].releases)
    }

    @Test
    fun `in the background nothing is held, and the picture comes back`() {
        open()
        controller.pause().stop()
        waitUntil("the model is closed") { testApp.engines[0].releases == 1 }
        controller.restart().start().resume()
        waitUntil("a picture after the return") { testApp.engines.size == 2 && "fps" in hud }
    }

    @Test
    fun `a paused screen in multi-window goes on`() {
        open()
        controller.pause()
        val before = testApp.engines[0].frames
        waitUntil("more frames") { testApp.engines[0].frames > before + 2 }
    }

    @Test
    fun `the end closes the model once`() {
        open()
        controller.pause().stop().destroy()
        waitUntil("the model is closed") { testApp.engines[0].releases == 1 }
    }

    @Test
    fun `a model that fails in the middle says so and offers another`() {
        testApp.makeEngine = { ColourEngine(failAfter = 2) }
        controller.setup()
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
        assertEquals("the entry failed (colours.tflite): choose another model", activity.text(R.id.notice_text))
        activity.press(R.id.notice_first)
        val next = shadowOf(activity).nextStartedActivity
        assertEquals("org.mobilevis.app.models.ModelActivity", next.component?.className)
    }

    @Test
    fun `a model that is too large for the memory says so`() {
        testApp.makeEngine = { throw OutOfMemoryError("1 GiB") }
        controller.setup()
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
        assertEquals(activity.getString(R.string.out_of_memory), activity.text(R.id.notice_text))
    }

    @Test
    fun `a model that is gone says so`() {
        testApp.settings.update { it.copy(model = "gone.tflite") }
        controller.setup()
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
        assertEquals("the model is gone (gone.tflite): add it again", activity.text(R.id.notice_text))
    }

    @Test
    fun `a chosen model whose engine is not in this build says so in one line`() {
        val folder = File(testApp.filesDir, "models/onnx").apply { mkdirs() }
        File(folder, "encode.onnx").writeText("of an app that has the engine")
        testApp.settings.update { it.copy(model = "onnx") }
        controller.setup()
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
        val text = activity.text(R.id.notice_text)
        assertTrue(text, text.startsWith("ONNX Runtime is not in this build ($folder): use a .pte file or "))
        assertEquals(activity.getString(R.string.choose_model), activity.text(R.id.notice_first))
    }

    @Test
    fun `the camera is asked for once, also when the device is turned meanwhile`() {
        testApp.settings.update { it.copy(source = SourceKind.BACK_CAMERA) }
        controller.setup()
        assertEquals(
            listOf(Manifest.permission.CAMERA),
            shadowOf(activity).lastRequestedPermission.requestedPermissions.toList(),
        )
        assertEquals(activity.getString(R.string.permission_text), activity.text(R.id.notice_text))
        controller.recreate()
        assertEquals(null, shadowOf(activity).lastRequestedPermission)
    }

    @Test
    fun `a first refusal can be taken back`() {
        testApp.settings.update { it.copy(source = SourceKind.BACK_CAMERA) }
        controller.setup()
        answer(isRationaleShown = true)
        assertEquals(activity.getString(R.string.allow_camera), activity.text(R.id.notice_first))
        activity.press(R.id.notice_first)
        assertNotNull(shadowOf(activity).lastRequestedPermission)
    }

    @Test
    fun `a refusal for good leads to the app's settings`() {
        testApp.settings.update { it.copy(source = SourceKind.BACK_CAMERA) }
        controller.setup()
        answer(isRationaleShown = false)
        assertEquals(activity.getString(R.string.permission_blocked_text), activity.text(R.id.notice_text))
        activity.press(R.id.notice_first)
        assertEquals(ACTION_APPLICATION_DETAILS_SETTINGS, shadowOf(activity).nextStartedActivity.action)
    }

    private fun answer(isRationaleShown: Boolean) {
        shadowOf(activity.packageManager)
            .setShouldShowRequestPermissionRationale(Manifest.permission.CAMERA, isRationaleShown)
        activity.onRequestPermissionsResult(
            1,
            arrayOf(Manifest.permission.CAMERA),
            intArrayOf(PackageManager.PERMISSION_DENIED),
        )
    }

    @Test
    fun `a device without a camera says so and runs the sample instead`() {
        shadowOf(testApp).grantPermissions(Manifest.permission.CAMERA)
        testApp.settings.update { it.copy(source = SourceKind.BACK_CAMERA) }
        controller.setup()
        waitUntil("the notice") { activity.text(R.id.notice_title) == activity.getString(R.string.no_camera_title) }
        activity.press(R.id.notice_first)
        val dialog = ShadowDialog.getLatestDialog() as AlertDialog
        shadowOf(dialog).clickOnItem(SourceKind.SAMPLE.ordinal)
        waitUntil("a picture") { "fps" in hud }
        assertFalse(activity.isSeen(R.id.notice))
    }

    @Test
    fun `a bundled model that finds no space for its copy says so`() {
        testApp.settings.update { it.copy(model = null) }
        assumeTrue("the build bundled no model", testApp.models.bundled != null)
        testApp.space = 0
        controller.setup()
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
        assertTrue(activity.text(R.id.notice_text), "no space on this device" in activity.text(R.id.notice_text))
    }

    @Test
    fun `a video that cannot be read says so`() {
        testApp.settings.update { it.copy(source = SourceKind.VIDEO, video = "content://nobody/video") }
        controller.setup()
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
        assertEquals(activity.getString(R.string.video_title), activity.text(R.id.notice_title))
    }

    @Test
    fun `a chosen video becomes the source`() {
        open()
        activity.press(R.id.source)
        shadowOf(ShadowDialog.getLatestDialog() as AlertDialog).clickOnItem(SourceKind.VIDEO.ordinal)
        val asked = shadowOf(activity).nextStartedActivityForResult
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.intent.action)
        val answer = Intent().setData(Uri.parse("content://nobody/video"))
        shadowOf(activity).receiveResult(asked.intent, android.app.Activity.RESULT_OK, answer)
        assertEquals(SourceKind.VIDEO, testApp.settings.read().source)
        assertEquals("content://nobody/video", testApp.settings.read().video)
        waitUntil("the notice") { activity.isSeen(R.id.notice) }
    }

    @Test
    fun `each button opens its screen`() {
        open()
        for ((button, screen) in SCREENS) {
            activity.press(button)
            assertEquals(screen, shadowOf(activity).nextStartedActivity.component?.className)
        }
    }

    private companion object {
        val SCREENS =
            mapOf(
                R.id.models to "org.mobilevis.app.models.ModelActivity",
                R.id.settings to "org.mobilevis.app.settings.SettingsActivity",
                R.id.benchmark to "org.mobilevis.app.benchmark.BenchmarkActivity",
            )
    }
}
