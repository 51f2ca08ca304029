package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import java.io.File
import java.lang.reflect.InvocationTargetException
import java.net.URL
import java.net.URLClassLoader

/** Builds that lack an engine's library: our classes as they are, without the classes of that library. */
class MissingEngineTest {
    @TempDir
    lateinit var folder: File

    private class BuildWithout(
        private val hidden: String,
    ) : URLClassLoader(classPath(), getPlatformClassLoader()) {
        override fun findClass(name: String): Class<*> =
            if (name.startsWith(hidden)) throw ClassNotFoundException(name) else super.findClass(name)
    }

    private fun load(
        file: File,
        build: ClassLoader,
    ): String {
        val load = build.loadClass("org.mobilevis.engines.EnginesKt").methods.first { it.name == "loadArtefact" }
        val error = assertThrows<InvocationTargetException> { load.invoke(null, file, 1, true) }
        assertEquals("org.mobilevis.core.UserError", error.cause!!.javaClass.name)
        return error.cause!!.message!!.replace(folder.path, "")
    }

    private fun fileOf(format: ArtefactFormat): File =
        if (format == ArtefactFormat.ONNX) {
            File(folder, "model").apply { mkdirs() }.also { File(it, "encode.onnx").writeText("any") }
        } else {
            File(folder, "model.${format.name.lowercase()}").apply { writeText("any") }
        }

    @ParameterizedTest
    @EnumSource
    fun `an engine that is not in the build is told before its file is read`(format: ArtefactFormat) {
        val words = load(fileOf(format), BuildWithout(PACKAGES.getValue(format)))
        val others = ArtefactFormat.entries.filter { it != format }.joinToString(" or ") { it.words }
        val name = fileOf(format).name
        assertEquals(
            "${format.engine} is not in this build (/$name): use $others, " +
                "or the app's Gradle build, which has all engines",
            words,
        )
    }

    @Test
    fun `the other engines of such a build are asked as ever`() {
        val words = load(fileOf(ArtefactFormat.TFLITE), BuildWithout("ai.onnxruntime."))
        assertEquals(
            "the file is not a TFLite model (/model.tflite): export the model again, or copy it again",
            words,
        )
    }

    private companion object {
        val PACKAGES =
            mapOf(
                ArtefactFormat.ONNX to "ai.onnxruntime.",
                ArtefactFormat.PTE to "org.pytorch.executorch.",
                ArtefactFormat.TFLITE to "org.tensorflow.lite.",
            )

        fun classPath(): Array<URL> =
            System
                .getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                .split(File.pathSeparator)
                .map { File(it).toURI().toURL() }
                .toTypedArray()
    }
}
