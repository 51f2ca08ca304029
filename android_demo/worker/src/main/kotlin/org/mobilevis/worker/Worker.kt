package org.mobilevis.worker

import org.mobilevis.core.UserError
import java.io.File
import java.io.FileDescriptor
import java.io.FileOutputStream
import java.io.IOException
import kotlin.system.exitProcess

/**
 * The latency worker of devices that have no Python: `app_process` starts it with the path of a job, beside which it
 * writes its journal.
 */
object Worker {
    private const val JOURNAL = "journal.jsonl"

    /** Exit status: 0 when all was measured, 2 for a fault that the journal explains in one line, 1 for any other. */
    @JvmStatic
    fun main(arguments: Array<String>) {
        exitProcess(run(File(arguments[0]).absoluteFile))
    }

    private fun run(jobFile: File): Int =
        try {
            Journal(
                File(jobFile.parentFile, JOURNAL),
                FileOutputStream(FileDescriptor.out),
            ).use { attempt(jobFile, it) }
        } catch (_: HostLostException) {
            // Nobody is left to remove what was pushed.
            jobFile.parentFile.deleteRecursively()
            1
        }

    /** Every fault of the device ends in an event: what is thrown past this has nobody to tell it to. */
    @Suppress("TooGenericExceptionCaught")
    private fun attempt(
        jobFile: File,
        journal: Journal,
    ): Int =
        try {
            work(jobFile, journal)
            journal.write("end")
            0
        } catch (error: UserError) {
            // The host knows the files by their names in the job's folder.
            val file = error.file?.removePrefix("${jobFile.parent}/")
            journal.write("error", "what" to error.what, "file" to file, "fix" to error.fix)
            2
        } catch (error: IOException) {
            fail(journal, error)
        } catch (error: RuntimeException) {
            fail(journal, error)
        } catch (error: OutOfMemoryError) {
            fail(journal, error)
        }

    private fun fail(
        journal: Journal,
        error: Throwable,
    ): Int {
        error.printStackTrace()
        journal.write("error", "what" to error.toString(), "file" to null, "fix" to "see --debug")
        return 1
    }

    private fun work(
        jobFile: File,
        journal: Journal,
    ) {
        val job = parseJob(jobFile.readText(), jobFile.parentFile)
        val device = Device(jobFile.parentFile, job.readings)
        val allowed = checkPinning(job.cpus)
        val versions = mapOf("worker" to "android", "java" to System.getProperty("java.vm.version").orEmpty())
        journal.write("start", "pid" to processId(), "cpus_allowed" to allowed, "versions" to versions)
        when (job.purpose) {
            "timing" -> TimingPass(job, device, journal).run()
            "memory" -> measureMemory(job, device, journal)
            "profile" -> profile(job, journal)
            else -> throw IllegalArgumentException("pass ${job.purpose} is not one of timing, memory, profile")
        }
    }
}
