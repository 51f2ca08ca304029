package org.mobilevis.app

import org.junit.Assume.assumeTrue
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.engine.Tensor
import org.mobilevis.engines.readMetadata
import java.io.DataInputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The network itself, in Python's engine: `tests/android/serve.py` computes each entry. */
class PythonEngine(
    artefact: File,
) : Engine("litert in Python", artefact.path, readMetadata(artefact)) {
    private val process =
        ProcessBuilder(PYTHON, SCRIPT.path, artefact.path)
            .redirectError(File("target/serve.log"))
            .start()
    private val answers = DataInputStream(process.inputStream.buffered())
    override val threads: Int? = 1

    init {
        answers.readByte() // it is loaded
    }

    override fun runEntry(
        entry: String,
        inputs: Map<String, Tensor>,
        outputs: Map<String, Tensor>,
    ) {
        val spec = metadata.entries.getValue(entry)
        val requests = process.outputStream
        requests.write("$entry\n".toByteArray())
        for (tensor in spec.inputs) requests.write(bytes(inputs.getValue(tensor.name)))
        requests.flush()
        for (tensor in spec.outputs) {
            val target = outputs.getValue(tensor.name)
            val bytes = ByteArray(4 * target.size).also(answers::readFully)
            val values = FloatArray(target.size)
            ByteBuffer
                .wrap(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values)
            target.write(values)
        }
    }

    private fun bytes(tensor: Tensor): ByteArray {
        val values = FloatArray(tensor.size).also { tensor.read(it) }
        val buffer = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
        buffer.asFloatBuffer().put(values)
        return buffer.array()
    }

    override fun release() {
        process.outputStream.close()
        process.waitFor()
    }

    companion object {
        private val PYTHON: String = System.getProperty("mobilevis.python", "python3")
        private val SCRIPT = File("../../tests/android/serve.py").absoluteFile

        /** Skips a test where Python has not the engine of the bundled model, or the build bundled none. */
        fun assumeItRuns() {
            assumeTrue("the build bundled no model", testApp.models.bundled != null)
            val probe = ProcessBuilder(PYTHON, "-c", "import mobilevis.runtime, ai_edge_litert").start()
            assumeTrue("$PYTHON has no mobilevis[litert]: give one that has", probe.waitFor() == 0)
        }
    }
}
