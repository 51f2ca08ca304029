package org.mobilevis.app.benchmark

import org.mobilevis.core.UserError
import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.checkParityVectors
import org.mobilevis.core.engine.pseudoRandomInputs
import org.mobilevis.core.frame.Frame

/** What runs. */
enum class Phase { ENTRIES, FRAMES }

/**
 * Times a model: each entry alone on pseudo-random inputs, then whole frames of a clip.
 *
 * @param open loads the model.
 * @param clip pictures, shown again and again, each time as a new video.
 * @param readState the device's state at a second.
 * @param onRound is told the phase, its runs (null while it warms up) and its seconds.
 */
class Benchmark(
    private val open: () -> Engine,
    private val options: MobileInstOptions,
    private val clip: List<Frame>,
    private val protocol: Protocol,
    private val readState: (atSeconds: Double) -> DeviceState,
    private val onRound: (Phase, Int?, Double) -> Unit,
) {
    private val origin = System.nanoTime()

    /**
     * Measures.
     *
     * @param name of the model's file.
     * @throws UserError the model cannot be used, or its outputs are not PyTorch's.
     * @throws InterruptedException the thread was interrupted.
     */
    fun run(
        name: String,
        sha256: String,
    ): Measured {
        val start = System.nanoTime()
        return open().use { engine ->
            val load = milliseconds(start)
            val first =
                engine.metadata.entries.keys
                    .associateWith { firstRun(engine, it) }
            val parity = checkParityVectors(engine)
            if (!parity.all { it.passed }) {
                throw UserError("the outputs are not PyTorch's", name, "run the self-check")
            }
            val before = readState(seconds())
            val entries = timeEntries(engine)
            val frames = timeFrames(engine)
            val after = readState(seconds())
            val target = Target(name, sha256, engine.name, engine.threads, engine.metadata)
            Measured(target, load, first, parity, entries, frames, before, after)
        }
    }

    private fun firstRun(
        engine: Engine,
        entry: String,
    ): Double {
        val inputs = pseudoRandomInputs(engine.metadata, entry)
        val start = System.nanoTime()
        engine.run(entry, inputs)
        return milliseconds(start)
    }

    private fun timeEntries(engine: Engine): Series {
        val inputs =
            engine.metadata.entries.keys
                .associateWith { pseudoRandomInputs(engine.metadata, it) }
        return measurement(Phase.ENTRIES).run("total", restart = {}) {
            val times = LinkedHashMap<String, Double>()
            for ((entry, tensors) in inputs) {
                val start = System.nanoTime()
                engine.run(entry, tensors)
                times[entry] = milliseconds(start)
            }
            times["total"] = times.values.sum()
            Step(times)
        }
    }

    private fun timeFrames(engine: Engine): Series {
        val segmenter = VideoSegmenter(engine, options)
        var next = 0
        return measurement(Phase.FRAMES).run("frame", restart = { next = 0 }) {
            if (next == 0) segmenter.reset()
            val result = segmenter.process(clip[next])
            next = (next + 1) % clip.size
            Step(result.milliseconds, result.isKeyframe, result.instances.size)
        }
    }

    private fun measurement(phase: Phase) =
        Measurement(protocol, ::seconds) { runs, seconds -> onRound(phase, runs, seconds) }

    private fun seconds(): Double = (System.nanoTime() - origin) / 1e9

    private fun milliseconds(start: Long): Double = (System.nanoTime() - start) / 1e6
}
