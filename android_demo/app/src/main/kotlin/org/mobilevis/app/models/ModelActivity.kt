package org.mobilevis.app.models

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.provider.OpenableColumns
import android.view.View
import android.widget.Button
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.TextView
import org.mobilevis.app.R
import org.mobilevis.app.demo
import org.mobilevis.app.faultText
import org.mobilevis.engines.ArtefactFormat
import java.io.FileNotFoundException

/** Chooses a model, tells what it is, and checks it on this device. */
class ModelActivity : Activity() {
    private lateinit var work: ModelWork
    private val group by lazy { findViewById<RadioGroup>(R.id.model_list) }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_model)
        actionBar?.setDisplayHomeAsUpEnabled(true)
        work = retained() ?: ModelWork(demo)
        findViewById<Button>(R.id.add_model).setOnClickListener { pick() }
        findViewById<Button>(R.id.remove_model).setOnClickListener { work.removeChosen() }
        findViewById<Button>(R.id.self_check).setOnClickListener { work.checkChosen() }
        work.onChange = ::show
        show()
    }

    @Suppress("DEPRECATION") // its successor is a library's ViewModel
    private fun retained() = lastNonConfigurationInstance as ModelWork?

    @Deprecated("Deprecated in Java")
    override fun onRetainNonConfigurationInstance(): Any = work

    override fun onDestroy() {
        super.onDestroy()
        work.onChange = {}
        if (!isChangingConfigurations) work.close()
    }

    private fun show() {
        showNames()
        val isIdle = work.step == null
        val isCopy = work.chosen != demo.models.bundled
        findViewById<View>(R.id.progress).visibility = if (isIdle) View.GONE else View.VISIBLE
        findViewById<Button>(R.id.add_model).isEnabled = isIdle
        findViewById<Button>(R.id.remove_model).isEnabled = isIdle && isCopy
        findViewById<Button>(R.id.self_check).isEnabled = isIdle && work.facts != null
        findViewById<TextView>(R.id.status).text = statusText()
        findViewById<TextView>(R.id.facts).text = work.facts?.let { factsText(this, it) }.orEmpty()
    }

    private fun statusText(): String {
        val step = work.step
        val fault = work.fault
        val check = work.check
        return when {
            step == ModelWork.Step.COPYING -> getString(R.string.copying)
            step == ModelWork.Step.READING -> getString(R.string.reading)
            step == ModelWork.Step.CHECKING -> getString(R.string.checking)
            fault != null -> faultText(this, fault)
            check != null -> checkText(this, check)
            work.names.isEmpty() -> getString(R.string.no_models, wantedFiles())
            else -> ""
        }
    }

    private fun showNames() {
        group.setOnCheckedChangeListener(null)
        group.removeAllViews()
        for ((index, name) in work.names.withIndex()) {
            val button = RadioButton(this)
            button.id = index + 1
            val missing = demo.models.format(name)?.takeUnless { it.isBuiltIn }
            button.text = label(name, missing)
            button.isEnabled = work.step == null && missing == null
            // Before it is added: RadioGroup.check() skips the number that it holds already, of a button that is gone.
            button.isChecked = name == work.chosen
            group.addView(button)
        }
        group.setOnCheckedChangeListener { _, id -> work.choose(work.names[id - 1]) }
    }

    /** A model's line in the list; one of another build says which engine is [missing] here. */
    private fun label(
        name: String,
        missing: ArtefactFormat?,
    ): String =
        when {
            missing != null -> getString(R.string.model_without_engine, name, missing.engine)
            name == demo.models.bundled -> getString(R.string.bundled_model, name)
            else -> name
        }

    // The system's picker

    private fun pick() {
        val intent =
            Intent(Intent.ACTION_OPEN_DOCUMENT)
                .addCategory(Intent.CATEGORY_OPENABLE)
                .setType("*/*")
                .putExtra(Intent.EXTRA_ALLOW_MULTIPLE, true)
        try {
            startActivityForResult(intent, PICK_REQUEST)
        } catch (error: ActivityNotFoundException) {
            findViewById<TextView>(R.id.status).text = error.message
        }
    }

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        if (requestCode != PICK_REQUEST || resultCode != RESULT_OK || data == null) return
        val clip = data.clipData
        val uris = if (clip == null) listOfNotNull(data.data) else List(clip.itemCount) { clip.getItemAt(it).uri }
        work.add(uris.map(::picked))
    }

    private fun picked(uri: Uri): PickedFile {
        val (name, size) = describe(uri)
        val resolver = applicationContext.contentResolver
        return PickedFile(name, size) { resolver.openInputStream(uri) ?: throw FileNotFoundException(name) }
    }

    /** Name and size as the provider tells them; providers may tell neither. */
    private fun describe(uri: Uri): Pair<String, Long?> {
        var name = uri.lastPathSegment.orEmpty()
        var size: Long? = null
        val columns = arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
        contentResolver.query(uri, columns, null, null, null)?.use { cursor ->
            if (!cursor.moveToFirst()) return@use
            val nameColumn = cursor.getColumnIndex(OpenableColumns.DISPLAY_NAME)
            val sizeColumn = cursor.getColumnIndex(OpenableColumns.SIZE)
            if (nameColumn >= 0) name = cursor.getString(nameColumn) ?: name
            if (sizeColumn >= 0 && !cursor.isNull(sizeColumn)) size = cursor.getLong(sizeColumn)
        }
        return name to size
    }

    private companion object {
        const val PICK_REQUEST = 1
    }
}
