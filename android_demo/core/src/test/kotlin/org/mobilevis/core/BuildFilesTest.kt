package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/** Two builds, one list of versions. */
class BuildFilesTest {
    private val root = File("..")
    private val catalogue = File(root, "gradle/libs.versions.toml").readText()
    private val pom = File(root, "pom.xml").readText()

    private fun section(name: String): Map<String, String> =
        catalogue
            .substringAfter("[$name]\n")
            .substringBefore("\n[")
            .lines()
            .filter { " = " in it }
            .associate { it.substringBefore(" = ") to it.substringAfter(" = ").trim('"') }

    @Test
    fun `the catalogue and the pom name the same versions`() {
        val versions = section("versions")
        val shared = versions.keys.filter { "<$it.version>" in pom }
        assertTrue(shared.containsAll(listOf("kotlin", "junit", "kotest", "tensorflow-lite", "onnxruntime")), "$shared")
        for (name in shared) {
            val inPom = pom.substringAfter("<$name.version>").substringBefore("</$name.version>")
            assertEquals(inPom, versions[name], name)
        }
    }

    @Test
    fun `every library and plug-in has a version, and every version a use`() {
        val items = (section("libraries") + section("plugins")).values
        val used = items.map { it.substringAfter("version.ref = \"").substringBefore('"') }
        assertEquals(section("versions").keys, used.toSet())
    }

    @Test
    fun `every alias of the Gradle files is in the catalogue`() {
        val known =
            section("libraries").keys.map { "libs." + it.replace('-', '.') } +
                section("plugins").keys.map { "libs.plugins." + it.replace('-', '.') }
        val files =
            root
                .walk()
                .maxDepth(2)
                .filter { it.name.endsWith(".gradle.kts") }
                .toList()
        val aliases = files.flatMap { file -> Regex("libs\\.[a-z.]+").findAll(file.readText()).map { it.value } }
        assertTrue(aliases.size > 8, "$aliases")
        assertEquals(emptyList<String>(), aliases - known.toSet())
    }

    @Test
    fun `every module and source folder of Gradle is there, and is Maven's`() {
        val names =
            Regex(
                "\":([a-z]+)\"",
            ).findAll(File(root, "settings.gradle.kts").readText()).map { it.groupValues[1] }
        for (name in names) {
            assertTrue("<module>$name</module>" in pom, name)
            val script = File(root, "$name/build.gradle.kts").readText()
            for (folder in Regex("srcDir\\(\"(.+?)\"\\)").findAll(script)) {
                assertTrue(File(root, "$name/${folder.groupValues[1]}").isDirectory, folder.value)
            }
            assertTrue(File(root, "$name/src/main/kotlin").isDirectory, name)
        }
    }

    @Test
    fun `core knows nothing of Android`() {
        val imports = File("src/main").walk().filter { it.extension == "kt" }.flatMap { it.readLines() }
        assertEquals(
            emptyList<String>(),
            imports
                .filter {
                    Regex("import (android|androidx|ai|com)\\.").find(it) != null
                }.toList(),
        )
    }

    @Test
    fun `buffers are moved by what Android 8 has`() {
        val sources =
            listOf("core", "engines", "worker").flatMap { module ->
                File(root, "$module/src/main").walk().filter { it.extension == "kt" && it.name != "Buffers.kt" }
            }
        assertTrue(sources.size > 40)
        val moves = Regex("\\.(position|limit|rewind|flip|clear)\\(")
        val found = sources.flatMap { file -> file.readLines().filter { moves.containsMatchIn(it) }.map(String::trim) }
        // Getters are final in Buffer; `clear` is also a collection's.
        val getters = Regex("\\.(position|limit)\\(\\)|(sums|fused|shown|stages)\\.clear\\(\\)|into\\.clear\\(\\)")
        assertEquals(emptyList<String>(), found.filterNot { getters.containsMatchIn(it) })
    }
}
