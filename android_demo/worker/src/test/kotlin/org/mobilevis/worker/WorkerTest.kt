package org.mobilevis.worker

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.mobilevis.core.UserError
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.OutputStream
import java.util.concurrent.TimeUnit

class WorkerTest {
    @TempDir
    lateinit var folder: File

    private val quick =
        Protocol(
            minRuns = 4,
            minSeconds = 1.0,
            maxSeconds = 9.0,
            warmupSeconds = 0.5,
            maxWarmupSeconds = 2.0,
            window = 2,
            settledWithin = 0.02,
        )

    @Test
    fun `a warm-up ends when two windows have one median`() {
        assertFalse(quick.hasSettled(listOf(1.0, 1.0, 1.0, 1.0), elapsed = 0.4))
        assertFalse(quick.hasSettled(listOf(2.0, 2.0, 1.0, 1.0), elapsed = 1.0))
        assertTrue(quick.hasSettled(listOf(9.0, 1.0, 1.0, 1.01, 1.0), elapsed = 1.0))
        assertTrue(quick.mayStopWarmup(emptyList(), elapsed = 2.0))
    }

    @Test
    fun `measuring ends when runs and seconds are reached, or at the cap`() {
        assertFalse(quick.mayStop(3, 1.5))
        assertFalse(quick.mayStop(4, 0.5))
        assertTrue(quick.mayStop(4, 1.0))
        assertTrue(quick.mayStop(1, 9.0))
        assertFalse(quick.isComplete(1, 9.0))
    }

    @Test
    fun `the kernel's lists of CPUs are read`() {
        assertEquals(listOf(0, 1, 2, 5), parseCpuList("0-2,5"))
        assertEquals(listOf(7), parseCpuList("7"))
    }

    @Test
    fun `a machine that is not emulated has no emulator`() {
        assertEquals(null, findEmulator())
    }

    @Test
    fun `files are found by pattern, those that cannot be read are left out`() {
        File(folder, "cpu0").mkdir()
        File(folder, "cpu0/freq").writeText("1")
        File(folder, "cpu12/freq").apply { parentFile.mkdir() }.writeText("2")
        File(folder, "cpufreq/freq").apply { parentFile.mkdir() }.writeText("3")
        val found = readFiles(listOf("$folder/cpu[0-9]*/freq", "$folder/absent/x"))
        assertEquals(mapOf("$folder/cpu0/freq" to "1", "$folder/cpu12/freq" to "2"), found)
    }

    @Test
    fun `a tool that is not there says nothing`() {
        val readings =
            mapOf("r" to Reading(emptyList(), mapOf("a" to listOf("echo", "1"), "b" to listOf("$folder/none"))))
        assertEquals(mapOf("a" to "1\n", "b" to ""), Device(folder, readings).read("r")["tools"])
        assertEquals(emptyList<String>(), folder.list()!!.toList())
    }

    @Test
    fun `steps become columns, a stage that is missing is null`() {
        val recording = Recording()
        recording.add(0.5, Step(mapOf("encode" to 1.0), isKeyframe = true, instances = 2))
        recording.add(0.75, Step(mapOf("encode" to 3.0, "decode" to 2.0), isKeyframe = false, instances = 0))
        val columns = recording.take().toMap()
        assertEquals(listOf(0.5, 0.75), columns["at_s"])
        assertEquals(mapOf("encode" to listOf(1.0, 3.0), "decode" to listOf(null, 2.0)), columns["milliseconds"])
        assertEquals(emptyList<Double>(), recording.take().toMap()["at_s"])
    }

    @Test
    fun `the journal goes into a file and down the pipe`() {
        val pipe = ByteArrayOutputStream()
        val file = File(folder, "journal.jsonl")
        Journal(file, pipe).use { it.write("start", "pid" to 7) }
        assertEquals("{\"event\": \"start\", \"pid\": 7}\n", file.readText())
        assertEquals(file.readText(), pipe.toString())
    }

    @Test
    fun `a full disk is told once, and the host gets every event`() {
        val pipe = ByteArrayOutputStream()
        Journal(File("/dev/full"), pipe).use {
            val error = assertThrows<UserError> { it.write("start") }
            assertEquals("the journal cannot be written: No space left on device", error.what)
            it.write("error")
        }
        assertEquals("{\"event\": \"start\"}\n{\"event\": \"error\"}\n", pipe.toString())
    }

    @Test
    fun `a host that is gone is noticed`() {
        val closed =
            object : OutputStream() {
                override fun write(byte: Int) = throw IOException("EPIPE")
            }
        Journal(File(folder, "j"), closed).use { assertThrows<HostLostException> { it.write("end") } }
    }

    @Test
    fun `clips of raw frames say their size`() {
        val clip = File(folder, "source_4x6.i420").apply { writeBytes(ByteArray(2 * 36) { it.toByte() }) }
        val frames = RawFrames(clip)
        assertEquals(2, frames.count)
        assertEquals(4 to 6, frames.frame(1).let { it.height to it.width })
        for (name in listOf("source.i420", "source_4x5.i420")) {
            assertThrows<UserError> { RawFrames(File(folder, name).apply { writeBytes(ByteArray(7)) }) }
        }
    }

    @Test
    fun `options have Python's names`() {
        assertEquals(3, driverOptions(mapOf("keyframe_interval" to 3L, "classes" to null)).keyframeInterval)
        assertThrows<UserError> { driverOptions(mapOf("keyframe_interval" to "3")) }
        assertThrows<UserError> { driverOptions(mapOf("score_threshold" to 2.0)) }
        val error = assertThrows<UserError> { driverOptions(mapOf("speed" to 1L)) }
        assertTrue(error.message!!.startsWith("the Android worker has no option speed: its options are"), error.message)
    }

    @Test
    fun `a job that is none is refused`() {
        for (text in listOf("{}", "[]", "{\"targets\": 1}")) {
            assertThrows<IllegalArgumentException> { parseJob(text, folder) }
        }
    }

    /** `mobilevis bench latency` through a stand-in for adb, whose phone runs this worker on this machine's Java. */
    @Test
    fun `runs over adb measure, are cancelled and killed, and leave nothing behind`() {
        File("target/desktop.classpath").writeText(System.getProperty("surefire.test.class.path"))
        val python = System.getProperty("mobilevis.python")
        val tests = "tests/benchmarks/latency/test_android_worker.py"
        val log = File("target/test_android_worker.log")
        val command = listOf(python, "-m", "pytest", "-q", "-x", "-rs", "-p", "no:cacheprovider", tests)
        val process =
            ProcessBuilder(
                command,
            ).directory(File("../..")).redirectErrorStream(true).redirectOutput(log).start()
        assertTrue(process.waitFor(5, TimeUnit.MINUTES), "the runs do not end")
        assertEquals(0, process.exitValue(), log.readText())
        assertFalse("skipped" in log.readText(), log.readText())
    }
}
