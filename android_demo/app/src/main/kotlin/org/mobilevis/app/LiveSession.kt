package org.mobilevis.app

import android.graphics.Bitmap
import android.os.Handler
import android.os.Looper
import org.mobilevis.app.stream.FrameSource
import org.mobilevis.app.stream.HudFigures
import org.mobilevis.app.stream.HudStatistics
import org.mobilevis.app.stream.InferenceThread
import org.mobilevis.app.stream.PreviewPixels
import org.mobilevis.app.stream.SourceFault
import org.mobilevis.app.view.Overlay
import org.mobilevis.app.view.TrackColors
import org.mobilevis.core.FrameResult
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.frame.Frame
import org.mobilevis.core.metadata.Category
import org.mobilevis.core.metadata.Metadata
import org.mobilevis.core.metadata.Size

/** What the main screen shows. */
sealed interface LiveState {
    /** The model is being opened. */
    data object Loading : LiveState

    /** The model is ready, no frame was computed yet. */
    data object Waiting : LiveState

    /**
     * A computed frame.
     *
     * @property picture valid until the next but one state.
     */
    class Showing(
        val picture: Bitmap,
        val overlay: Overlay,
        val hud: HudFigures,
    ) : LiveState

    /** The model cannot be used, or failed. */
    class ModelFailed(
        val fault: Throwable,
    ) : LiveState

    /** No frames come. */
    class SourceFailed(
        val fault: SourceFault,
    ) : LiveState
}

/**
 * A stream from a source through a model to the screen; it outlives the activity that is turned with the device.
 *
 * Its methods are the main thread's.
 *
 * @param load opens the model, on the inference thread.
 */
class LiveSession(
    load: () -> Engine,
    options: MobileInstOptions,
) : AutoCloseable {
    private val main = Handler(Looper.getMainLooper())
    private val inference = InferenceThread(load, options, Results())
    private var source: FrameSource? = null
    private var isClosed = false

    /** The last state. */
    var state: LiveState = LiveState.Loading
        private set

    /** Is told of each new state. */
    var onState: ((LiveState) -> Unit)? = null

    /** Takes frames from [next] from now on; null pauses the stream. */
    fun connect(next: FrameSource?) {
        source?.close()
        source = next
        next?.start(
            deliver = { inference.offer(it, video = next) },
            fail = { fault -> publishIf({ source === next }) { LiveState.SourceFailed(fault) } },
        )
    }

    override fun close() {
        isClosed = true
        onState = null
        connect(null)
        inference.close()
    }

    private fun publish(next: LiveState) = publishIf({ true }) { next }

    private fun publishIf(
        isWanted: () -> Boolean,
        next: () -> LiveState,
    ) {
        main.post {
            // A model that failed stays failed, whatever its source still says.
            if (isClosed || !isWanted() || state is LiveState.ModelFailed) return@post
            state = next()
            onState?.invoke(state)
        }
    }

    /** Turns results into pictures, on the inference thread. */
    private inner class Results : InferenceThread.Listener {
        private val statistics = HudStatistics()
        private var classes: List<Category> = emptyList()
        private var pictures: Pictures? = null
        private var colors = TrackColors()

        override fun onLoaded(metadata: Metadata) {
            classes = metadata.classes
            // A source that failed while the model was loaded has told so already.
            publishIf({ state is LiveState.Loading }) { LiveState.Waiting }
        }

        override fun onResult(
            frame: Frame,
            result: FrameResult,
            dropped: Int,
        ) {
            val own = pictures?.takeIf { it.frameSize == result.frameSize } ?: Pictures(result.frameSize)
            pictures = own
            if (result.frameIndex == 0) colors = TrackColors() // another video
            val overlay = Overlay.of(result, classes, colors)
            val hud = statistics.add(result, dropped)
            publish(LiveState.Showing(own.draw(frame), overlay, hud))
        }

        override fun onFault(fault: Throwable) = publish(LiveState.ModelFailed(fault))
    }
}

/**
 * Bitmaps of frames of one size, in turn: one is on the screen, one waits for the main thread, one is written.
 *
 * @property frameSize of the frames.
 */
private class Pictures(
    val frameSize: Size,
) {
    private val pixels = PreviewPixels(frameSize)
    private val size = pixels.size
    private val bitmaps = List(3) { Bitmap.createBitmap(size.width, size.height, Bitmap.Config.ARGB_8888) }
    private var turn = 0

    fun draw(frame: Frame): Bitmap {
        val bitmap = bitmaps[turn]
        turn = (turn + 1) % bitmaps.size
        pixels.read(frame)
        bitmap.setPixels(pixels.argb, 0, size.width, 0, 0, size.width, size.height)
        return bitmap
    }
}
