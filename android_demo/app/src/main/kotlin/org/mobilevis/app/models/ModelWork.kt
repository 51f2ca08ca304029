package org.mobilevis.app.models

import org.mobilevis.app.Background
import org.mobilevis.app.DemoApplication
import org.mobilevis.core.engine.VectorResult

/** What the screen of models does in the background, one thing at a time; outlives the screen's turning. */
class ModelWork(
    private val app: DemoApplication,
) : AutoCloseable {
    /** What the work is at. */
    enum class Step { COPYING, READING, CHECKING }

    private val background = Background()

    /** Is told of each change. */
    var onChange: () -> Unit = {}

    /** What runs; null when nothing does. */
    var step: Step? = null
        private set

    /** Names of the models, the bundled one first. */
    var names: List<String> = app.models.names()
        private set

    /** Of the chosen model; null until it is read. */
    var facts: ModelFacts? = null
        private set

    /** The last self-check of the chosen model. */
    var check: List<VectorResult>? = null
        private set

    /** Why the last step failed. */
    var fault: Throwable? = null
        private set

    /** The chosen model's name; null if there is none. */
    val chosen: String? get() = app.settings.read().model ?: app.models.bundled

    init {
        if (chosen != null) read()
    }

    /** Chooses a model and reads its facts. */
    fun choose(name: String) {
        if (name == chosen && facts != null) return
        app.settings.update { it.copy(model = name) }
        read()
    }

    /** Takes over picked files and chooses them. */
    fun add(picked: List<PickedFile>) =
        run(Step.COPYING, { app.models.add(picked) }) {
            names = app.models.names()
            choose(it)
        }

    /** Removes the chosen copy and chooses the bundled model. */
    fun removeChosen() {
        app.models.remove(chosen ?: return)
        app.settings.update { it.copy(model = null) }
        names = app.models.names()
        forget()
        if (chosen == null) onChange() else read()
    }

    /** Runs the chosen model's own parity vectors. */
    fun checkChosen() =
        run(Step.CHECKING, { selfCheck(app.models.file(chosen), ::open) }) {
            check = it
        }

    private fun read() {
        forget()
        run(Step.READING, { readFacts(app.models.file(chosen), ::open) }) { facts = it }
    }

    private fun forget() {
        facts = null
        check = null
        fault = null
    }

    private fun open(file: java.io.File) = app.load(file, app.settings.read().threads)

    private fun <T> run(
        next: Step,
        work: () -> T,
        take: (T) -> Unit,
    ) {
        step = next
        fault = null
        onChange()
        background.run(work) { result ->
            step = null
            result.onSuccess(take).onFailure { fault = it }
            onChange()
        }
    }

    override fun close() = background.close()
}
