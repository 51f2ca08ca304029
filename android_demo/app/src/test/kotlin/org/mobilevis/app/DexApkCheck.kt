package org.mobilevis.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.util.zip.ZipFile
import javax.xml.parsers.DocumentBuilderFactory

/** What is inside the finished APK. */
class DexApkCheck {
    private val apk = File(System.getProperty("mobilevis.apk"))
    private val names = ZipFile(apk).use { zip -> zip.entries().asSequence().associate { it.name to it.size } }
    private val dump: List<String> by lazy {
        val process = ProcessBuilder("dexdump", "-d", apk.path).redirectErrorStream(true).start()
        process.inputStream
            .bufferedReader()
            .readLines()
            .also { assertEquals(0, process.waitFor()) }
    }
    private val defined: Set<String> by lazy {
        dump.mapNotNull { Regex("Class descriptor *: '(L.*;)'").find(it)?.groupValues?.get(1) }.toSet()
    }

    @Test
    fun `without its model the APK has at most 35 MB`() {
        val model =
            ZipFile(apk).use { zip ->
                zip
                    .entries()
                    .asSequence()
                    .filter { it.name.startsWith("assets/models/") }
                    .sumOf { it.compressedSize }
            }
        val megabytes = (apk.length() - model) / 1e6
        println("APK without a model: %.1f MB, with it %.1f MB".format(megabytes, apk.length() / 1e6))
        assertTrue("$megabytes MB", megabytes <= 35)
    }

    @Test
    fun `both engines' libraries are inside`() {
        val libraries = names.keys.filter { it.startsWith("lib/") }.toSet()
        val expected = listOf("libtensorflowlite_jni", "libexecutorch", "libfbjni", "libc++_shared")
        assertEquals(expected.map { "lib/arm64-v8a/$it.so" }.toSet(), libraries)
    }

    @Test
    fun `the licences and the sample are inside`() {
        for (name in listOf("licences/NOTICES.txt", "licences/Apache-2.0.txt", "sample/00.jpg")) {
            assertTrue(name, "assets/$name" in names)
        }
    }

    @Test
    fun `nothing asks for the network`() {
        val process = ProcessBuilder("aapt2", "dump", "permissions", apk.path).start()
        val permissions =
            process.inputStream
                .bufferedReader()
                .readLines()
                .filter { "uses-permission" in it }
        assertEquals(listOf("uses-permission: name='android.permission.CAMERA'"), permissions)
    }

    @Test
    fun `no instruction needs a newer Android than 8`() {
        assertEquals(emptyList<String>(), dump.filter { "invoke-custom" in it || "invoke-polymorphic" in it })
        // Compiled against a newer Java, these return ByteBuffer, which Android 8 has not.
        val covariant =
            Regex("Ljava/nio/(Byte|Float)Buffer;\\.(position|limit|rewind|flip|clear):\\(.*\\)Ljava/nio/\\1Buffer;")
        assertEquals(emptyList<String>(), dump.filter { covariant.containsMatchIn(it) }.map { it.trim() }.distinct())
    }

    @Test
    fun `no class is missing`() {
        val called =
            Regex("invoke-\\w+(?:/range)? \\{.*\\}, (L[^;]+;)").let { call ->
                dump.mapNotNull { call.find(it)?.groupValues?.get(1) }.toSet()
            }
        assertTrue("${called.size}", called.size > 300)
        val missing =
            (called - defined).filter {
                val name = it.removeSurrounding("L", ";").replace('/', '.')
                // ONNX Runtime's Android library is in the Gradle build only: ArtefactFormat.checkBuiltIn says so.
                !name.startsWith("ai.onnxruntime.") && !isOnDevice(name)
            }
        assertEquals(emptyList<String>(), missing)
    }

    /** In Android's own jar, or in Java's. */
    private fun isOnDevice(name: String): Boolean =
        javaClass.classLoader.getResource(name.replace('.', '/') + ".class") != null &&
            listOf("android.", "java.", "javax.", "dalvik.", "libcore.", "sun.").any { name.startsWith(it) }

    @Test
    fun `every class that is found by its name is kept`() {
        val manifest =
            DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(
                File("src/main/AndroidManifest.xml"),
            )
        val ofManifest =
            listOf("application", "activity", "provider").flatMap { tag ->
                val found = manifest.getElementsByTagName(tag)
                List(found.length) {
                    found
                        .item(it)
                        .attributes
                        .getNamedItem("android:name")
                        .nodeValue
                }
            }
        val ofLayouts =
            File("src/main/res").walk().filter { it.extension == "xml" }.flatMap { file ->
                Regex("<(org\\.mobilevis[\\w.]+)").findAll(file.readText()).map { it.groupValues[1] }
            }
        val ofLibraries = NATIVE_ENTRIES.keys
        for (name in ofManifest + ofLayouts + ofLibraries) {
            assertTrue(name, "L${name.replace('.', '/')};" in defined)
        }
    }

    @Test
    fun `every member that a native library looks up is kept`() {
        for ((type, members) in NATIVE_ENTRIES) {
            val start = dump.indexOfFirst { "'L${type.replace('.', '/')};'" in it && "Class descriptor" in it }
            val end = dump.drop(start + 1).indexOfFirst { "Class descriptor" in it }
            val own = dump.subList(start, if (end < 0) dump.size else start + 1 + end).joinToString("\n")
            for (member in members) assertTrue("$type $member", Regex("name +: '$member'").containsMatchIn(own))
        }
    }

    private companion object {
        /** Classes that libexecutorch, libfbjni and libtensorflowlite_jni find by name, with some of their members. */
        val NATIVE_ENTRIES =
            mapOf(
                "com.facebook.jni.HybridData" to listOf("<init>"),
                "com.facebook.jni.HybridData\$Destructor" to listOf("mNativePointer", "deleteNative"),
                "com.facebook.jni.CppException" to listOf("<init>"),
                "com.facebook.jni.CppSystemErrorException" to listOf("<init>"),
                "com.facebook.jni.UnknownCppException" to listOf("<init>"),
                "com.facebook.jni.ThreadScopeSupport" to listOf("runStdFunction", "runStdFunctionImpl"),
                "com.facebook.jni.NativeRunnable" to listOf("<init>", "run"),
                "org.pytorch.executorch.Module" to listOf("mHybridData"),
                "org.pytorch.executorch.EValue" to listOf("mTypeCode", "mData"),
                "org.pytorch.executorch.Tensor" to listOf("nativeNewTensor"),
                "org.tensorflow.lite.NativeInterpreterWrapper" to listOf("createInterpreter", "delete", "run"),
                "org.tensorflow.lite.NativeSignatureRunnerWrapper" to listOf("nativeGetSignatureRunner"),
                "org.tensorflow.lite.TensorImpl" to listOf("buffer", "dtype", "shape"),
            )
    }
}
