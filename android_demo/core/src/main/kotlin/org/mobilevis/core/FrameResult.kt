package org.mobilevis.core

import org.mobilevis.core.mask.BitMask
import org.mobilevis.core.mask.Box
import org.mobilevis.core.metadata.Size

/**
 * One tracked object in one frame.
 *
 * @property trackId identity, from 1, constant over the video.
 * @property classIndex index into the artefact's classes, from 0.
 * @property score in [0, 1].
 * @property box in pixels of the source frame.
 * @property mask of the box's size.
 * @property frameSize of the source frame.
 * @throws IllegalArgumentException a box that is empty or leaves the frame, or a value out of range.
 */
class Instance(
    val trackId: Int,
    val classIndex: Int,
    val score: Float,
    val box: Box,
    val mask: BitMask,
    val frameSize: Size,
) {
    init {
        require(box.x0 in 0 until box.x1 && box.y0 in 0 until box.y1) { "box $box is empty or leaves the frame" }
        require(box.x1 <= frameSize.width && box.y1 <= frameSize.height) { "box $box leaves the frame of $frameSize" }
        require(mask.height == box.height && mask.width == box.width) { "the mask does not fill box $box" }
        require(trackId >= 1 && classIndex >= 0 && score in 0f..1f) {
            "track $trackId, class $classIndex, score $score: out of range"
        }
    }
}

/**
 * The instances of one frame.
 *
 * @property frameIndex from 0.
 * @property frameSize of the source frame.
 * @property instances by falling score; no identity twice.
 * @property isKeyframe whether kernels were computed on this frame, or reused.
 * @property milliseconds stage → wall-clock milliseconds.
 */
class FrameResult(
    val frameIndex: Int,
    val frameSize: Size,
    val instances: List<Instance>,
    val isKeyframe: Boolean,
    val milliseconds: Map<String, Double>,
) {
    init {
        val ids = instances.map { it.trackId }
        require(ids.distinct().size == ids.size) { "frame $frameIndex: track ids $ids repeat" }
    }
}
