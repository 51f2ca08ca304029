package org.mobilevis.worker

import org.mobilevis.core.UserError
import org.mobilevis.core.json.writeJson
import java.io.Closeable
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.OutputStream

/** Nobody reads the pipe to the host any more. */
internal class HostLostException(
    cause: IOException,
) : Exception("the host is lost", cause)

/**
 * One JSON object a line, into a file and down the pipe to the host, so that samples survive a device that is lost.
 *
 * @param file the result; made anew.
 * @param pipe standard output itself: a PrintStream would hide that nobody reads.
 */
internal class Journal(
    file: File,
    private val pipe: OutputStream,
) : Closeable {
    private val file = FileOutputStream(file)
    private var isFull = false

    /**
     * Append one event.
     *
     * @throws HostLostException the host's end of the pipe is closed.
     * @throws UserError the file cannot be written, told once: what follows goes down the pipe alone.
     */
    fun write(
        event: String,
        vararg facts: Pair<String, Any?>,
    ) {
        val line = (writeJson(mapOf("event" to event, *facts)) + "\n").toByteArray()
        try {
            pipe.write(line)
            pipe.flush()
        } catch (error: IOException) {
            throw HostLostException(error)
        }
        if (isFull) return
        try {
            file.write(line)
        } catch (error: IOException) {
            isFull = true
            val what = "the journal cannot be written: ${error.message}"
            throw UserError(what, fix = "free some space on the device, then run again", cause = error)
        }
    }

    override fun close() = file.close()
}
