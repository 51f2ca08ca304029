package org.mobilevis.app.benchmark

import android.content.Intent
import android.net.Uri
import android.provider.OpenableColumns
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.ColourEngine
import org.mobilevis.app.R
import org.mobilevis.app.press
import org.mobilevis.app.screenshot
import org.mobilevis.app.testApp
import org.mobilevis.app.text
import org.mobilevis.app.waitUntil
import org.mobilevis.core.json.parseJson
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import java.io.File
import java.io.FileNotFoundException

@RunWith(RobolectricTestRunner::class)
@Config(qualifiers = "w411dp-h891dp-xhdpi")
class BenchmarkTest {
    private val controller by lazy { Robolectric.buildActivity(BenchmarkActivity::class.java) }
    private val activity get() = controller.get()
    private val result get() = activity.text(R.id.result)

    @Before
    fun install() {
        testApp.installStandIn()
    }

    private fun measure() {
        controller.setup()
        activity.press(R.id.start)
        waitUntil("the result") { "p50" in result }
    }

    @Test
    fun `each entry and each stage has its percentiles`() {
        measure()
        activity.screenshot("benchmark")
        for (stage in listOf("total", "encode", "decode", "segment", "frame", "resize", "masks", "association")) {
            assertTrue(stage, Regex("(?m)^$stage · \\d+ · \\d+\\.\\d\\d · \\d+\\.\\d\\d$").containsMatchIn(result))
        }
        assertTrue(result, "Heat before: none, after: none" in result)
    }

    @Test
    fun `a disk that takes no report is told, and the report before stays`() {
        ReportProvider.writeReport(testApp, "before")
        File(testApp.filesDir, "latency.json.partial/in the way").mkdirs()
        controller.setup()
        activity.press(R.id.start)
        waitUntil("the fault") { "the report cannot be written" in result }
        assertEquals("before", ReportProvider.reportFile(testApp).readText())
        assertFalse(activity.findViewById<android.view.View>(R.id.share).isEnabled)
    }

    @Test
    fun `a model that is too large for the memory is told`() {
        testApp.makeEngine = { throw OutOfMemoryError("1 GiB") }
        controller.setup()
        activity.press(R.id.start)
        waitUntil("the fault") { activity.getString(R.string.out_of_memory) in result }
    }

    @Test
    fun `the shared JSON is a report that mobilevis reads`() {
        measure()
        activity.press(R.id.share)
        val chooser = shadowOf(activity).nextStartedActivity
        val shared = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)!!
        val uri = shared.getParcelableExtra(Intent.EXTRA_STREAM, Uri::class.java)!!
        assertTrue(shared.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        val text = ReportProvider.reportFile(testApp).readText()
        assertEquals(REPORT_SCHEMA, (parseJson(text) as Map<*, *>)["schema"])
        assertEquals(ReportProvider.REPORT, uri)
        readWithPython(text)
    }

    private fun readWithPython(text: String) {
        val python = System.getProperty("mobilevis.python", "python3")
        val hasMobilevis = ProcessBuilder(python, "-c", "import mobilevis.benchmarks.latency").start().waitFor() == 0
        assumeTrue("$python has no mobilevis: give one with -Dmobilevis.python=...", hasMobilevis)
        val file = File("target/latency-of-app.json").apply { writeText(text) }
        val script =
            """
            import sys
            from mobilevis.benchmarks.latency.report.compare import compare_reports
            from mobilevis.benchmarks.latency.report.csv_table import to_csv
            from mobilevis.benchmarks.latency.report.schema import load_report
            report = load_report(sys.argv[1])
            assert len(report.artefacts[0].workloads["frames"].at_s) == 12
            compare_reports(report, report)
            print(to_csv(report))
            """.trimIndent()
        val process = ProcessBuilder(python, "-c", script, file.path).redirectErrorStream(true).start()
        val words = process.inputStream.bufferedReader().readText()
        assertEquals(words, 0, process.waitFor())
        assertTrue(words, ",encode," in words && ",frames," in words)
    }

    @Test
    fun `the provider gives the report, to read, and nothing else`() {
        measure()
        val resolver = testApp.contentResolver
        val provider =
            Robolectric
                .buildContentProvider(
                    ReportProvider::class.java,
                ).create("org.mobilevis.app.reports")
                .get()
        provider.openFile(ReportProvider.REPORT, "r").use { assertTrue(it.statSize > 1000) }
        for ((uri, mode) in listOf(
            ReportProvider.REPORT to "rw",
            Uri.parse("content://org.mobilevis.app.reports/../shared_prefs/settings.xml") to "r",
        )) {
            assertThrows(FileNotFoundException::class.java) { provider.openFile(uri, mode) }
        }
        provider.query(ReportProvider.REPORT, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null).use {
            assertTrue(it.moveToFirst())
            assertEquals("latency.json", it.getString(0))
        }
        assertEquals(
            "application/json",
            resolver.getType(ReportProvider.REPORT) ?: provider.getType(ReportProvider.REPORT),
        )
    }

    @Test
    fun `a model that computes otherwise is not measured`() {
        testApp.makeEngine = { ColourEngine(ColourEngine.WRONG_METADATA) }
        controller.setup()
        activity.press(R.id.start)
        waitUntil("the words") { result.isNotEmpty() && "warming" !in result }
        assertEquals("the outputs are not PyTorch's (colours.tflite): run the self-check", result)
        assertFalse(activity.findViewById<android.view.View>(R.id.share).isEnabled)
    }

    @Test
    fun `the result survives the turning of the device`() {
        measure()
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        assertTrue("p50" in result)
    }

    @Test
    fun `Stop ends it without a result`() {
        val gate = java.util.concurrent.CountDownLatch(1)
        testApp.makeEngine = {
            gate.await()
            ColourEngine()
        }
        controller.setup()
        activity.press(R.id.start)
        assertEquals(activity.getString(R.string.benchmark_stop), activity.text(R.id.start))
        activity.press(R.id.start)
        waitUntil("the end") { activity.text(R.id.start) == activity.getString(R.string.benchmark_start) }
        assertEquals("", result)
    }
}
