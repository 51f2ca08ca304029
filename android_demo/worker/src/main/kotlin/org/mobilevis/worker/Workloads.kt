package org.mobilevis.worker

import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.engine.pseudoRandomInputs
import kotlin.math.floor

/**
 * What a round of a workload timed.
 *
 * @property milliseconds stage → wall-clock milliseconds.
 * @property isKeyframe null where frames are not what is timed.
 * @property instances found in the frame; null likewise.
 */
internal class Step(
    val milliseconds: Map<String, Double>,
    val isKeyframe: Boolean? = null,
    val instances: Int? = null,
)

/**
 * Something that is timed round by round.
 *
 * @property total the stage that sums up a step.
 */
internal interface Workload {
    val kind: String
    val total: String

    /** Begin again where the first step began. */
    fun restart()

    /** Do one round. */
    fun step(): Step
}

/** Every entry once a round, in the metadata's order; their sum is the stage `total`. */
internal class EntriesWorkload(
    private val engine: Engine,
) : Workload {
    override val kind = "entries"
    override val total = "total"
    private val inputs: Map<String, Map<String, Tensor>> =
        engine.metadata.entries.keys
            .associateWith { pseudoRandomInputs(engine.metadata, it) }

    override fun restart() = Unit

    override fun step(): Step {
        val milliseconds = LinkedHashMap<String, Double>()
        for ((entry, tensors) in inputs) {
            val start = System.nanoTime()
            engine.run(entry, tensors)
            milliseconds[entry] = millisecondsSince(start)
        }
        milliseconds[total] = milliseconds.values.sum()
        return Step(milliseconds)
    }
}

/** Frames of a clip through the artefact's own driver; the clip repeats, each time as a new video. */
internal class FramesWorkload(
    private val segmenter: VideoSegmenter,
    private val clip: RawFrames,
) : Workload {
    override val kind = "frames"
    override val total = "frame"
    private var next = 0

    override fun restart() {
        next = 0
        segmenter.reset()
    }

    override fun step(): Step {
        if (next == clip.count) restart()
        val result = segmenter.process(clip.frame(next++))
        return Step(result.milliseconds, result.isKeyframe, result.instances.size)
    }
}

/** The steps of one workload, by column; a stage that a step lacks is null there. */
internal class Recording {
    private var atSeconds = ArrayList<Double>()
    private var isKeyframe = ArrayList<Boolean?>()
    private var instances = ArrayList<Int?>()
    private var milliseconds = LinkedHashMap<String, ArrayList<Double?>>()

    /** Append one step that began [at] seconds after the worker did. */
    fun add(
        at: Double,
        step: Step,
    ) {
        for (stage in step.milliseconds.keys) {
            milliseconds.getOrPut(stage) { ArrayList(List(atSeconds.size) { null }) }
        }
        for ((stage, column) in milliseconds) column += step.milliseconds[stage]?.let(::rounded)
        atSeconds += rounded(at)
        isKeyframe += step.isKeyframe
        instances += step.instances
    }

    /** The columns so far, leaving none. */
    fun take(): Array<Pair<String, Any?>> {
        val columns =
            arrayOf<Pair<String, Any?>>(
                "at_s" to atSeconds,
                "is_keyframe" to isKeyframe,
                "instances" to instances,
                "milliseconds" to milliseconds,
            )
        atSeconds = ArrayList()
        isKeyframe = ArrayList()
        instances = ArrayList()
        milliseconds = LinkedHashMap()
        return columns
    }

    private fun rounded(value: Double): Double = floor(value * MILLION + HALF) / MILLION

    private companion object {
        const val MILLION = 1e6
        const val HALF = 0.5
    }
}
