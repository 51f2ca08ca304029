package org.mobilevis.app.models

import android.app.Activity
import android.content.ClipData
import android.content.Intent
import android.net.Uri
import android.widget.RadioButton
import android.widget.RadioGroup
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.ColourEngine
import org.mobilevis.app.R
import org.mobilevis.app.press
import org.mobilevis.app.testApp
import org.mobilevis.app.text
import org.mobilevis.app.waitUntil
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File
import java.io.InputStream
import kotlin.random.Random

@RunWith(RobolectricTestRunner::class)
class ModelActivityTest {
    private val controller by lazy { Robolectric.buildActivity(ModelActivity::class.java) }
    private val activity get() = controller.get()
    private val status get() = activity.text(R.id.status)
    private val facts get() = activity.text(R.id.facts)

    @Before
    fun install() {
        testApp.installStandIn()
    }

    private fun open() {
        controller.setup()
        waitUntil("the facts") { facts.isNotEmpty() }
    }

    private fun give(vararg files: Pair<String, ByteArray>) {
        activity.press(R.id.add_model)
        val asked = shadowOf(activity).nextStartedActivityForResult
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.intent.action)
        val uris = files.map { Uri.parse("content://files/${it.first}") }
        for ((uri, file) in uris.zip(files)) {
            shadowOf(
                activity.contentResolver,
            ).registerInputStreamSupplier(uri) { file.second.inputStream() as InputStream }
        }
        val clip = ClipData.newRawUri(null, uris.first())
        uris.drop(1).forEach { clip.addItem(ClipData.Item(it)) }
        val data = Intent().apply { clipData = clip }
        shadowOf(activity).receiveResult(asked.intent, Activity.RESULT_OK, data)
        waitUntil("an answer") { !status.endsWith("…") && (status.isNotEmpty() || facts.isNotEmpty()) }
    }

    @Test
    fun `a model's facts are shown`() {
        open()
        assertTrue(facts, "Model: colours" in facts && "Engine: colours" in facts)
        assertTrue(facts, "Input: 192 × 320, fp32" in facts)
        assertTrue(facts, "Classes (2): person, bicycle" in facts)
        assertTrue(facts, Regex("SHA-256: [0-9a-f]{64}").containsMatchIn(facts))
        assertTrue(facts, "none, the weights are random" in facts && "passed: true" in facts)
    }

    @Test
    fun `a device that computes as PyTorch did passes the self-check`() {
        open()
        activity.press(R.id.self_check)
        waitUntil("the verdict") { status.startsWith("Passed") }
        assertTrue(status, "✓ segment / mask_logits" in status)
    }

    @Test
    fun `a device that computes otherwise fails the self-check`() {
        open()
        testApp.makeEngine = { ColourEngine(ColourEngine.WRONG_METADATA) }
        activity.press(R.id.self_check)
        waitUntil("the verdict") { status.startsWith("Failed") }
        assertTrue(status, "1 of 4 outputs" in status && "✗ decode / kernels" in status)
    }

    @Test
    fun `files that are no models are refused in one line, and the model before stays`() {
        open()
        val random = Random(5)
        val hostile =
            listOf(
                "picture.jpg" to random.nextBytes(5000),
                "empty.tflite" to ByteArray(0),
                "random.tflite" to random.nextBytes(70_000),
                "random.pte" to random.nextBytes(70_000),
                "short.pte" to ByteArray(5),
                "flatbuffer.tflite" to "\u001c\u0000\u0000\u0000TFL3".toByteArray() + random.nextBytes(3000),
                "program.pte" to "\u001c\u0000\u0000\u0000ET12".toByteArray() + random.nextBytes(3000),
                "one.onnx" to random.nextBytes(3000),
            )
        for (file in hostile) {
            give(file)
            assertFalse(status, "\n" in status.trim())
            assertTrue(status, file.first.substringBefore('.') in status || "onnx" in status)
        }
        choose("colours.tflite")
        waitUntil("the facts") { "Model: colours" in facts }
    }

    private fun buttons(): List<RadioButton> {
        val group = activity.findViewById<RadioGroup>(R.id.model_list)
        return List(group.childCount) { group.getChildAt(it) as RadioButton }
    }

    private fun choose(name: String) {
        buttons().first { it.text.startsWith(name) }.performClick()
    }

    @Test
    fun `a model of another build is shown, but cannot be chosen`() {
        File(testApp.filesDir, "models/onnx").mkdirs()
        open()
        val button = buttons().single { it.text.startsWith("onnx") }
        assertEquals("onnx — ONNX Runtime is not in this build", button.text)
        assertFalse(button.isEnabled)
        assertTrue(buttons().single { it.text == "colours.tflite" }.isEnabled)
    }

    @Test
    fun `the files of an engine that is not in this build are refused, and the model before stays`() {
        open()
        give("encode.onnx" to ByteArray(9), "decode.onnx" to ByteArray(9))
        assertTrue(status, status.startsWith("ONNX Runtime is not in this build (encode.onnx, decode.onnx): use"))
        assertEquals("colours.tflite", buttons().single { it.isChecked }.text)
    }

    @Test
    fun `a model that is too large for the memory says so, and another can be chosen`() {
        open()
        testApp.makeEngine = { throw OutOfMemoryError("1 GiB") }
        activity.press(R.id.self_check)
        waitUntil("the fault") { status == activity.getString(R.string.out_of_memory) }
        assertTrue(activity.findViewById<android.view.View>(R.id.add_model).isEnabled)
    }

    @Test
    fun `the chosen model is marked, also after the list was shown anew`() {
        open()
        activity.press(R.id.self_check)
        waitUntil("the verdict") { status.startsWith("Passed") }
        assertEquals("colours.tflite", buttons().single { it.isChecked }.text)
    }

    @Test
    fun `a file that was added is chosen, and can be removed`() {
        open()
        give("colours-new.tflite" to ByteArray(9))
        waitUntil("the facts") { facts.isNotEmpty() }
        assertEquals("colours-new.tflite", testApp.settings.read().model)
        activity.press(R.id.remove_model)
        waitUntil("the end") { activity.findViewById<android.view.View>(R.id.add_model).isEnabled }
        assertFalse("colours-new.tflite" in testApp.models.names())
    }

    @Test
    fun `a copy that is under way survives the turning of the device`() {
        open()
        val gate = java.util.concurrent.CountDownLatch(1)
        testApp.makeEngine = {
            gate.await()
            ColourEngine()
        }
        activity.press(R.id.self_check)
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        assertEquals(activity.getString(R.string.checking), status)
        gate.countDown()
        waitUntil("the verdict") { status.startsWith("Passed") }
    }
}
