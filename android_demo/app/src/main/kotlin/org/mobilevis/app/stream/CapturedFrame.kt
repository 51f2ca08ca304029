package org.mobilevis.app.stream

import org.mobilevis.core.frame.Frame

/**
 * A frame and the memory behind it, which belongs to its source until [close].
 *
 * @property frame upright; not to be read after [close].
 */
class CapturedFrame(
    val frame: Frame,
    private val release: () -> Unit = {},
) : AutoCloseable {
    override fun close() = release()
}

/** Where frames come from. */
interface FrameSource : AutoCloseable {
    /**
     * Begins to deliver frames, on a thread of the source.
     *
     * @param deliver takes each frame over and closes it; it returns at once.
     * @param fail is told once why no more frames come; the message is for the user.
     */
    fun start(
        deliver: (CapturedFrame) -> Unit,
        fail: (SourceFault) -> Unit,
    )

    /** Ends the delivery; frames under way stay readable until they are closed. */
    override fun close()
}

/** Why a source gives no frames. */
enum class SourceFault {
    /** The device has none on the chosen side, or none at all. */
    NO_CAMERA,

    /** Another app has it, or too many are open; the source begins again when it is free. */
    CAMERA_IN_USE,

    /** An administrator switched cameras off. */
    CAMERA_DISABLED,

    /** The camera or its service failed. */
    CAMERA_FAILED,

    /** No permission, or it was taken back. */
    NO_PERMISSION,

    /** The video cannot be opened or decoded. */
    VIDEO_UNREADABLE,

    /** The device has no memory left for the pictures. */
    LOW_MEMORY,
}
