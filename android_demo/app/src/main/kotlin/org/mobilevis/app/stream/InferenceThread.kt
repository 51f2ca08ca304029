package org.mobilevis.app.stream

import org.mobilevis.core.FrameResult
import org.mobilevis.core.UserError
import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.metadata.Metadata
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger

/**
 * The one thread that computes: it loads the model, runs a frame at a time and closes the model.
 *
 * A frame that comes while another one is computed is dropped, never queued: a result that is late is wrong.
 *
 * @param load opens the model; its fault is the stream's.
 * @param options how to run it.
 * @param listener is called on this thread.
 */
class InferenceThread(
    load: () -> Engine,
    private val options: MobileInstOptions,
    private val listener: Listener,
) : AutoCloseable {
    /** What the thread tells. */
    interface Listener {
        /** The model is ready. */
        fun onLoaded(metadata: Metadata)

        /** A frame is done; [frame] can be read until this returns. */
        fun onResult(
            frame: Frame,
            result: FrameResult,
            dropped: Int,
        )

        /** The stream ends; no more results come. */
        fun onFault(fault: Throwable)
    }

    private val executor = Executors.newSingleThreadExecutor { Thread(it, "inference") }
    private val isBusy = AtomicBoolean(true)
    private val drops = AtomicInteger()

    private val gate = Any()

    @Volatile
    private var isClosed = false
    private var segmenter: VideoSegmenter? = null
    private var current: Any? = null

    init {
        executor.execute {
            guard {
                val engine = load()
                segmenter = closeOnFault(engine) { VideoSegmenter(engine, options) }
                listener.onLoaded(engine.metadata)
                isBusy.set(false)
            }
        }
    }

    /**
     * Computes the frame if the thread is idle, else drops it; from any thread.
     *
     * @param video that it belongs to; the first frame of another one begins with new identities.
     */
    fun offer(
        captured: CapturedFrame,
        video: Any,
    ) {
        val isTaken =
            synchronized(gate) {
                val isFree = !isClosed && isBusy.compareAndSet(false, true)
                if (isFree) executor.execute { captured.use { guard { compute(it.frame, video) } } }
                isFree
            }
        if (isTaken) return
        drops.incrementAndGet()
        captured.close()
    }

    private fun compute(
        frame: Frame,
        video: Any,
    ) {
        val segmenter = segmenter
        if (segmenter == null || isClosed) return
        if (video !== current) segmenter.reset()
        current = video
        val result = segmenter.process(frame)
        listener.onResult(frame, result, drops.getAndSet(0))
        isBusy.set(false)
    }

    /** A fault ends the stream: the thread stays busy, so that no further frame is taken. */
    private fun guard(body: () -> Unit) {
        try {
            body()
        } catch (error: UserError) {
            listener.onFault(error)
        } catch (error: OutOfMemoryError) {
            listener.onFault(error)
        }
    }

    /** Ends after the frame under way, and frees the model then; returns at once. */
    override fun close() {
        synchronized(gate) {
            if (isClosed) return
            isClosed = true
            executor.execute { segmenter?.engine?.close() }
            executor.shutdown()
        }
    }
}

/** Runs [body] and closes [engine] if it fails. */
private fun <T> closeOnFault(
    engine: Engine,
    body: () -> T,
): T =
    try {
        body()
    } catch (error: UserError) {
        engine.close()
        throw error
    }
