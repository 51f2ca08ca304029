package org.mobilevis.app.benchmark

import android.app.Activity
import android.content.ClipData
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.TextView
import org.mobilevis.app.R
import org.mobilevis.app.demo
import org.mobilevis.app.faultText
import org.mobilevis.app.thermalWords

/** Times the chosen model and shares the result. */
class BenchmarkActivity : Activity() {
    private lateinit var work: BenchmarkWork

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_benchmark)
        actionBar?.setDisplayHomeAsUpEnabled(true)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        work = retained() ?: BenchmarkWork(demo, demo.protocol)
        findViewById<Button>(R.id.start).setOnClickListener { if (work.isRunning) work.stop() else work.start() }
        findViewById<Button>(R.id.share).setOnClickListener { share() }
        work.onChange = ::show
        show()
    }

    @Suppress("DEPRECATION") // its successor is a library's ViewModel
    private fun retained() = lastNonConfigurationInstance as BenchmarkWork?

    @Deprecated("Deprecated in Java")
    override fun onRetainNonConfigurationInstance(): Any = work

    /** A device that does other things is not measured. */
    override fun onStop() {
        super.onStop()
        if (!isChangingConfigurations) work.stop()
    }

    override fun onDestroy() {
        super.onDestroy()
        work.onChange = {}
        if (!isChangingConfigurations) work.close()
    }

    private fun show() {
        val start = findViewById<Button>(R.id.start)
        start.setText(if (work.isRunning) R.string.benchmark_stop else R.string.benchmark_start)
        findViewById<Button>(R.id.share).isEnabled = work.measured != null
        findViewById<View>(R.id.progress).visibility = if (work.isRunning) View.VISIBLE else View.GONE
        findViewById<TextView>(R.id.result).text = resultText()
    }

    private fun resultText(): String {
        val fault = work.fault
        val measured = work.measured
        val progress = work.progress
        return when {
            fault != null -> faultText(this, fault)
            measured != null -> table(measured)
            progress != null -> progressText(progress)
            else -> ""
        }
    }

    private fun progressText(progress: BenchmarkWork.Progress): String {
        val phase =
            getString(if (progress.phase == Phase.ENTRIES) R.string.benchmark_entries else R.string.benchmark_frames)
        val runs = progress.runs ?: return "$phase: ${getString(R.string.benchmark_warming)}"
        return getString(R.string.benchmark_running, phase, runs, progress.seconds.toInt())
    }

    private fun table(measured: Measured): String {
        val doubts = measured.reasons.joinToString("; ")
        val verdict = if (doubts.isEmpty()) emptyList() else listOf(getString(R.string.benchmark_invalid, doubts), "")
        val before = thermalWords(this, measured.before.thermalStatus)
        val after = thermalWords(this, measured.after.thermalStatus)
        val lines =
            listOf(getString(R.string.benchmark_thermal, before, after), "", getString(R.string.benchmark_header)) +
                rows(measured.entries) + "" + rows(measured.frames)
        return (verdict + lines).joinToString("\n")
    }

    private fun rows(series: Series): List<String> =
        (listOf(series.total) + (series.stages - series.total)).map { stage ->
            val samples = series.of(stage)
            getString(
                R.string.benchmark_line,
                stage,
                samples.size,
                percentile(samples, 50.0),
                percentile(samples, 90.0),
            )
        }

    private fun share() {
        val name =
            work.measured
                ?.target
                ?.name
                .orEmpty()
        val intent =
            Intent(Intent.ACTION_SEND)
                .setType(ReportProvider.REPORT_TYPE)
                .putExtra(Intent.EXTRA_STREAM, ReportProvider.REPORT)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        intent.clipData = ClipData.newRawUri(null, ReportProvider.REPORT)
        startActivity(Intent.createChooser(intent, getString(R.string.benchmark_share_title, name)))
    }
}
