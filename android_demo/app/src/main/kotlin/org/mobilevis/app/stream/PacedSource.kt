package org.mobilevis.app.stream

/**
 * Frames that lie on a disk, as if a camera saw them: each at its own time, whether anybody takes it or not.
 *
 * @param name of the thread.
 * @param open begins the video; called on the thread, again for each round.
 */
class PacedSource(
    name: String,
    private val open: () -> FrameReader,
) : FrameSource {
    /** Decodes one video, from its beginning to its end. */
    interface FrameReader : AutoCloseable {
        /**
         * The next frame, or null at the end.
         *
         * @throws VideoException it cannot be decoded.
         */
        fun next(): TimedFrame?
    }

    /**
     * A frame and when it is due.
     *
     * @property microseconds since the video's beginning.
     */
    class TimedFrame(
        val microseconds: Long,
        val captured: CapturedFrame,
    )

    /** The video cannot be read or decoded. */
    class VideoException(
        cause: Throwable? = null,
    ) : Exception(cause)

    private val thread = Thread({ run() }, name)
    private lateinit var deliver: (CapturedFrame) -> Unit
    private lateinit var fail: (SourceFault) -> Unit

    override fun start(
        deliver: (CapturedFrame) -> Unit,
        fail: (SourceFault) -> Unit,
    ) {
        this.deliver = deliver
        this.fail = fail
        thread.start()
    }

    override fun close() = thread.interrupt()

    private fun run() {
        try {
            while (!thread.isInterrupted) open().use(::play)
        } catch (_: InterruptedException) {
            return // closed
        } catch (_: VideoException) {
            fail(SourceFault.VIDEO_UNREADABLE)
        } catch (_: OutOfMemoryError) {
            fail(SourceFault.LOW_MEMORY)
        }
    }

    private fun play(reader: FrameReader) {
        val start = System.nanoTime()
        var frames = 0
        while (!thread.isInterrupted) {
            val next = reader.next() ?: break
            frames++
            next.captured.handOver {
                val early = next.microseconds - (System.nanoTime() - start) / NANOSECONDS_A_MICROSECOND
                if (early > 0) Thread.sleep(early / MICROSECONDS_A_MILLISECOND)
                deliver(it)
            }
        }
        if (frames == 0 && !thread.isInterrupted) throw VideoException()
    }

    private companion object {
        const val NANOSECONDS_A_MICROSECOND = 1000L
        const val MICROSECONDS_A_MILLISECOND = 1000L
    }
}

/** Gives the frame on; if that fails before it was taken, it is closed here. */
private inline fun CapturedFrame.handOver(give: (CapturedFrame) -> Unit) {
    var isGiven = false
    try {
        give(this)
        isGiven = true
    } finally {
        if (!isGiven) close()
    }
}
