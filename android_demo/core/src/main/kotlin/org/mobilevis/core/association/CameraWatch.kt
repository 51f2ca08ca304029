package org.mobilevis.core.association

import org.mobilevis.core.engine.Tensor
import org.mobilevis.core.frame.Letterbox

/**
 * Watches a video for its camera, whoever asks: a frame is shrunk once, and a step found once; see
 * `mobilevis.runtime.association.camera_watch`.
 *
 * A frame costs nothing until something is asked of it. What is asked is since the last frame that anything was asked
 * of.
 *
 * @param frame (1, 3, H, W) RGB in [0, 255], the network's input, of each frame in turn.
 * @param letterbox where a frame lies in it.
 * @param tellsMotion whether motions are asked for, or steps alone.
 */
internal class CameraWatch(
    private val frame: Tensor,
    letterbox: Letterbox,
    tellsMotion: Boolean,
) {
    private val camera = CameraStep(letterbox)
    private val motion = if (tellsMotion) CameraMotion(letterbox) else null
    private var frames = 0
    private var isSeen = false
    private var isSought = false
    private var isTold = false

    /** The next frame is in the network's input. */
    fun show() {
        isSeen = false
    }

    /** Look at the frame, at least for the next one to be compared with. */
    fun look() {
        if (isSeen) return
        isSeen = true
        isSought = false
        frames++
        if (motion == null) {
            camera.next().take(frame)
        } else {
            motion.take(frame)
            camera.next().take(motion.now) // means of means
        }
    }

    /** How far the picture moved, (y, x) in pixels of the input; null where that is not told. */
    fun findStep(): DoubleArray? {
        look()
        if (!isSought) {
            isSought = true
            isTold = frames > 1 && camera.find()
        }
        return if (isTold) camera.step else null
    }

    /** How it turned and zoomed, too; null where that is not told. */
    fun findMotion(): CameraMotion? = if (findStep() == null) null else motion?.takeIf { it.find(camera) }
}
