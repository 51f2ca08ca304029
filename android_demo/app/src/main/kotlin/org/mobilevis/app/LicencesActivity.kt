package org.mobilevis.app

import android.app.Activity
import android.os.Bundle
import android.widget.TextView

/** What the app is made of, by whom, and under which terms; the texts are assets. */
class LicencesActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_licences)
        actionBar?.setDisplayHomeAsUpEnabled(true)
        val texts = assets.list(FOLDER).orEmpty().sortedBy { it != NOTICES }
        findViewById<TextView>(R.id.licences_text).text = texts.joinToString("\n\n\n") { read("$FOLDER/$it") }
    }

    private fun read(name: String): String =
        assets
            .open(name)
            .bufferedReader()
            .use { it.readText() }
            .trim()

    private companion object {
        const val FOLDER = "licences"
        const val NOTICES = "NOTICES.txt"
    }
}
