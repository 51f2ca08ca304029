package org.mobilevis.engines

import org.junit.jupiter.api.Assumptions.assumeTrue
import org.mobilevis.core.Golden
import java.io.File

/** The Android libraries of LiteRT and ExecuTorch in this JVM, over the desktop's C library. */
object AndroidLibraries {
    /** As `java.library.path` says, which pom.xml sets. */
    private val folder = File("target/android-libraries").absoluteFile
    private val archives = File("../archives/target/aar").absoluteFile

    /** A library before those that it needs, as ExecuTorch's Java classes load them. */
    private val libraries =
        listOf(
            "tensorflow-lite/jni/x86_64/libtensorflowlite_jni.so",
            "executorch/package/third-party/android/libs/executorch/x86_64/libexecutorch.so",
            "fbjni/jni/x86_64/libfbjni.so",
            "fbjni/jni/x86_64/libc++_shared.so",
        )

    /** Why they cannot be loaded here; null where they are. */
    private val obstacle: String? by lazy {
        val machine = "${System.getProperty("os.name")} ${System.getProperty("os.arch")}"
        val tools = System.getenv("PATH").split(File.pathSeparator)
        val missing = listOf("cc", "nm").filter { tool -> tools.none { File(it, tool).canExecute() } }
        when {
            machine != "Linux amd64" -> "Android's x86-64 libraries do not run on $machine"
            missing.isNotEmpty() -> "there is no ${missing.joinToString(" and no ")}: install a C compiler"
            else -> null.also { load() }
        }
    }

    /** Loads them once; skips the test where that cannot be. */
    fun require() = assumeTrue(obstacle == null) { obstacle }

    private fun load() {
        folder.mkdirs()
        val paths = libraries.map { File(archives, it).path }
        Golden.run("bionic.py", listOf(folder.path) + paths, File(folder, "bionic.log"))
        @Suppress("UnsafeDynamicallyLoadedCode")
        System.load(File(folder, "libload.so").path)
    }
}
