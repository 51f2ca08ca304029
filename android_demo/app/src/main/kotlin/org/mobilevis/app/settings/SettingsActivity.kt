package org.mobilevis.app.settings

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.SeekBar
import android.widget.Spinner
import android.widget.TextView
import org.mobilevis.app.LicencesActivity
import org.mobilevis.app.R
import org.mobilevis.app.demo
import org.mobilevis.core.driver.AssociationKind

/** How the chosen model is run; each change is stored at once and holds when the picture comes back. */
class SettingsActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_settings)
        actionBar?.setDisplayHomeAsUpEnabled(true)
        val settings = demo.settings.read()
        val threads = (1..Runtime.getRuntime().availableProcessors()).toList()
        choices(R.id.keyframe_interval, INTERVALS, settings.keyframeInterval, ::words) { chosen, value ->
            chosen.copy(keyframeInterval = value)
        }
        choices(R.id.threads, threads, settings.threads, ::words) { chosen, value -> chosen.copy(threads = value) }
        choices(R.id.association, ASSOCIATIONS, settings.association, ::words) { chosen, value ->
            chosen.copy(association = value)
        }
        showScore(settings.scorePercent)
        findViewById<Button>(R.id.licences).setOnClickListener {
            startActivity(Intent(this, LicencesActivity::class.java))
        }
    }

    private fun <T> choices(
        id: Int,
        values: List<T>,
        chosen: T,
        words: (T) -> String,
        change: (Settings, T) -> Settings,
    ) {
        val spinner = findViewById<Spinner>(id)
        val adapter = ArrayAdapter(this, android.R.layout.simple_spinner_item, values.map(words))
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item)
        spinner.adapter = adapter
        spinner.setSelection(maxOf(0, values.indexOf(chosen)))
        spinner.onItemSelectedListener =
            object : AdapterView.OnItemSelectedListener {
                override fun onItemSelected(
                    parent: AdapterView<*>?,
                    view: View?,
                    position: Int,
                    itemId: Long,
                ) = demo.settings.update { change(it, values[position]) }

                override fun onNothingSelected(parent: AdapterView<*>?) = Unit
            }
    }

    private fun words(number: Int?): String = number?.toString() ?: getString(R.string.model_own)

    /** An association by its name and in words, as `mobilevis run --help` has them. */
    private fun words(association: AssociationKind?): String =
        getString(
            when (association) {
                AssociationKind.APPEARANCE -> R.string.association_appearance
                AssociationKind.ONLINE -> R.string.association_online
                AssociationKind.SLOTS -> R.string.association_slots
                null -> R.string.model_own
            },
        )

    private fun showScore(percent: Int) {
        val label = findViewById<TextView>(R.id.score_label)
        val bar = findViewById<SeekBar>(R.id.score)
        label.text = getString(R.string.score_threshold, percent)
        bar.progress = percent
        bar.setOnSeekBarChangeListener(
            object : SeekBar.OnSeekBarChangeListener {
                override fun onProgressChanged(
                    seekBar: SeekBar,
                    progress: Int,
                    fromUser: Boolean,
                ) {
                    label.text = getString(R.string.score_threshold, progress)
                    demo.settings.update { it.copy(scorePercent = progress) }
                }

                override fun onStartTrackingTouch(seekBar: SeekBar) = Unit

                override fun onStopTrackingTouch(seekBar: SeekBar) = Unit
            },
        )
    }

    private companion object {
        // Null is the model's own.
        val INTERVALS = listOf(null, 1, 2, 3, 5, 10)
        val ASSOCIATIONS = listOf(AssociationKind.APPEARANCE, null, AssociationKind.ONLINE, AssociationKind.SLOTS)
    }
}
