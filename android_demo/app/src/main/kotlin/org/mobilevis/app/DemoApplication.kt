package org.mobilevis.app

import android.app.Application
import android.content.Context
import org.mobilevis.app.benchmark.Protocol
import org.mobilevis.app.models.ModelStore
import org.mobilevis.app.settings.SettingsStore
import org.mobilevis.core.engine.Engine
import org.mobilevis.engines.loadArtefact
import java.io.File

/** What all screens share. */
open class DemoApplication : Application() {
    /** The user's choices. */
    val settings by lazy { SettingsStore(getSharedPreferences("settings", MODE_PRIVATE)) }

    /** The models on this device. */
    val models by lazy { ModelStore(File(filesDir, "models"), assets, ::usableSpace) }

    /** How long the benchmark measures. */
    open val protocol = Protocol()

    /** Bytes that are free for models. */
    protected open fun usableSpace(): Long = filesDir.usableSpace

    /** Opens a model on the engine of its format. */
    open fun load(
        file: File,
        threads: Int,
    ): Engine = loadArtefact(file, threads)
}

/** The application of any screen. */
val Context.demo: DemoApplication get() = applicationContext as DemoApplication
