package org.mobilevis.core.driver

import org.mobilevis.core.engine.Tensor

/** Which frames are keyframes; see the implementations of [Keyframes]. */
enum class KeyframePolicy(
    val word: String,
) {
    FIXED("fixed"),
    DRIFT("drift"),
    ;

    companion object {
        /** @throws IllegalArgumentException no policy is called so; the message names those that are. */
        fun of(word: String): KeyframePolicy = entries.called(word, "keyframe policy") { it.word }
    }
}

/** Chooses the keyframes of one video; the state between frames is its own. */
internal interface Keyframes {
    /** Whether it looks at features; [watch] and the features of [decide] are for these only. */
    val readsFeatures: Boolean

    /**
     * Take what a frame between keyframes shows, where it is known only after [decide].
     *
     * @param features mask features, from the same entry each time.
     */
    fun watch(features: Tensor)

    /**
     * Whether the next frame is a keyframe; asked once a frame.
     *
     * @param features the frame's own, as [watch] takes them; null where they are not known yet.
     */
    fun decide(features: Tensor?): Boolean
}

/** The paper's: frames 0, T, 2T, … (MobileInst §3.4). */
internal class EveryTthFrame(
    private val interval: Int,
) : Keyframes {
    private var frame = -1
    override val readsFeatures = false

    override fun watch(features: Tensor) = Unit

    override fun decide(features: Tensor?): Boolean {
        frame += 1
        return frame % interval == 0
    }
}
