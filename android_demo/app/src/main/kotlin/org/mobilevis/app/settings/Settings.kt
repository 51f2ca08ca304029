package org.mobilevis.app.settings

import android.content.SharedPreferences
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.MobileInstOptions

/** Where frames come from. */
enum class SourceKind {
    BACK_CAMERA,
    FRONT_CAMERA,
    VIDEO,
    SAMPLE,
    ;

    /** Whether the permission for the camera is needed. */
    val isCamera: Boolean get() = this == BACK_CAMERA || this == FRONT_CAMERA
}

/**
 * What the user chose.
 *
 * @property model name of the model in the store; null takes the bundled one.
 * @property source where frames come from.
 * @property video URI of the chosen video; null before one was chosen.
 * @property keyframeInterval T; null takes the model's own.
 * @property threads that compute.
 * @property association how identities are kept; null takes the way that the model's driver has for its own.
 * @property scorePercent objects with a lower score are not shown, 0 to 100.
 */
data class Settings(
    val model: String? = null,
    val source: SourceKind = SourceKind.BACK_CAMERA,
    val video: String? = null,
    val keyframeInterval: Int? = null,
    val threads: Int = 1,
    val association: AssociationKind? = AssociationKind.APPEARANCE,
    val scorePercent: Int = 30,
) {
    /** The runtime's options. */
    fun toOptions() =
        MobileInstOptions(
            scoreThreshold = scorePercent / 100.0,
            keyframeInterval = keyframeInterval,
            association = association,
        )
}

/**
 * The settings on disk; values of another version of the app fall back to the defaults, one by one.
 *
 * @param mostThreads cores of this device.
 */
class SettingsStore(
    private val preferences: SharedPreferences,
    private val mostThreads: Int = Runtime.getRuntime().availableProcessors(),
) {
    /** The settings as they are now. */
    fun read(): Settings {
        val defaults = Settings(threads = minOf(DEFAULT_THREADS, mostThreads))
        return Settings(
            preferences.getString(MODEL, null),
            SourceKind.entries.firstOrNull { it.name == preferences.getString(SOURCE, null) } ?: defaults.source,
            preferences.getString(VIDEO, null),
            preferences.getInt(INTERVAL, 0).takeIf { it >= 1 },
            preferences.getInt(THREADS, defaults.threads).coerceIn(1, mostThreads),
            association(preferences.getString(ASSOCIATION, null), defaults.association),
            preferences.getInt(SCORE, defaults.scorePercent).coerceIn(0, 100),
        )
    }

    private fun association(
        stored: String?,
        default: AssociationKind?,
    ): AssociationKind? =
        if (stored == OWN) null else AssociationKind.entries.firstOrNull { it.word == stored } ?: default

    /** Stores what [change] makes of the settings. */
    fun update(change: (Settings) -> Settings) {
        val settings = change(read())
        preferences
            .edit()
            .putString(MODEL, settings.model)
            .putString(SOURCE, settings.source.name)
            .putString(VIDEO, settings.video)
            .putInt(INTERVAL, settings.keyframeInterval ?: 0)
            .putInt(THREADS, settings.threads)
            .putString(ASSOCIATION, settings.association?.word ?: OWN)
            .putInt(SCORE, settings.scorePercent)
            .apply()
    }

    private companion object {
        /** The number of big cores of most phones, at least. */
        const val DEFAULT_THREADS = 2
        const val MODEL = "model"
        const val SOURCE = "source"
        const val VIDEO = "video"
        const val INTERVAL = "keyframe_interval"
        const val THREADS = "threads"
        const val ASSOCIATION = "association"

        /** Stands for the model's own; a name that is absent stands for the app's default. */
        const val OWN = "own"
        const val SCORE = "score_percent"
    }
}
