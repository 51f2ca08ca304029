package org.mobilevis.core

import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.driver.makeDriver
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.metadata.Size

/**
 * Classifies, segments and tracks the objects of a video, one frame after the other.
 *
 * Not safe for several threads at once: a stream has one. The engine may be closed from another thread; the frame
 * in progress ends first, and the next one says that the artefact is closed.
 *
 * @property engine a loaded artefact; the caller closes it.
 * @param options how to run it.
 * @throws UserError the artefact or an option is not usable.
 */
class VideoSegmenter(
    val engine: Engine,
    options: MobileInstOptions = MobileInstOptions(),
) {
    private val driver = makeDriver(engine, options)
    private var frameSize: Size? = null
    private var frames = 0

    /**
     * Segment and track the next frame.
     *
     * @throws UserError the frame has another size than those before it, or the engine fails.
     */
    fun process(frame: Frame): FrameResult {
        val size = Size(frame.height, frame.width)
        val first = frameSize ?: size
        if (size != first) {
            throw UserError(
                "frame $frames is $size, the video began with $first",
                fix = "give frames of one size, or start a new video with reset()",
            )
        }
        frameSize = size
        frames++
        return driver.push(frame)
    }

    /** Forget the video: the next frame is the first of another one. */
    fun reset() {
        driver.reset()
        frameSize = null
        frames = 0
    }
}
