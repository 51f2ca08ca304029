package org.mobilevis.app

import android.os.Handler
import android.os.Looper
import java.util.concurrent.Executors
import java.util.concurrent.Future

/** Work of a screen that outlives the screen's turning: one thread, results on the main thread. */
class Background : AutoCloseable {
    private val main = Handler(Looper.getMainLooper())
    private val executor = Executors.newSingleThreadExecutor { Thread(it, "background") }

    @Volatile
    private var isClosed = false

    /**
     * Runs [work] on the thread and gives its result or its fault to [done] on the main thread, unless closed.
     *
     * @return interrupts the work when cancelled; [done] is told of that as of any other fault.
     */
    fun <T> run(
        work: () -> T,
        done: (Result<T>) -> Unit,
    ): Future<*> =
        executor.submit {
            val result = runCatching(work)
            post { done(result) }
        }

    /** Runs [body] on the main thread, unless closed. */
    fun post(body: () -> Unit) {
        main.post { if (!isClosed) body() }
    }

    /** Interrupts the work; nothing is told any more. */
    override fun close() {
        isClosed = true
        executor.shutdownNow()
    }
}
