package org.mobilevis.app

import org.mobilevis.app.benchmark.Protocol
import org.mobilevis.core.engine.Engine
import org.mobilevis.engines.loadArtefact
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList

/** The app with a stand-in for the network; files that are not the stand-in's go the app's own way. */
class TestApplication : DemoApplication() {
    /** Engines that were opened, in order. */
    val engines = CopyOnWriteArrayList<ColourEngine>()

    /** Makes the engine of a stand-in's file. */
    @Volatile
    var makeEngine: () -> ColourEngine = ::ColourEngine

    /** Bytes that are free for models; the disk's own unless a test says otherwise. */
    @Volatile
    var space: Long? = null

    override fun usableSpace() = space ?: super.usableSpace()

    /** Opens any other file; as the app does, unless a test has another way. */
    @Volatile
    var openOther: (File, Int) -> Engine = { file, threads -> loadArtefact(file, threads) }

    override val protocol = Protocol(minRuns = 12, minSeconds = 0.0, warmupSeconds = 0.0, settledWithin = 10.0)

    override fun load(
        file: File,
        threads: Int,
    ): Engine {
        if (!file.name.startsWith("colours")) return openOther(file, threads)
        return makeEngine().also { engines += it }
    }

    /** Puts a file of the stand-in among the models and chooses it. */
    fun installStandIn() {
        File(filesDir, "models").mkdirs()
        File(filesDir, "models/colours.tflite").writeText("stands for a network")
        settings.update { it.copy(model = "colours.tflite") }
    }
}
