package org.mobilevis.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.w3c.dom.Element
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory

/** What Gradle and aapt2 would otherwise find at build time, or a phone at run time. */
class BuildFilesTest {
    private val main = File("src/main")
    private val gradle = File("build.gradle.kts").readText()
    private val sources = main.walk().filter { it.extension == "kt" }.joinToString("\n") { it.readText() }
    private val xml = main.walk().filter { it.extension == "xml" }.toList()

    private fun parse(file: File): Element =
        DocumentBuilderFactory
            .newInstance()
            .newDocumentBuilder()
            .parse(file)
            .documentElement

    private fun elements(
        root: Element,
        tag: String,
    ): List<Element> = root.getElementsByTagName(tag).let { found -> List(found.length) { found.item(it) as Element } }

    @Test
    fun `every class that the manifest names is there`() {
        val manifest = parse(File(main, "AndroidManifest.xml"))
        val named =
            listOf("application", "activity", "provider")
                .flatMap { elements(manifest, it) }
                .flatMap { listOf(it.getAttribute("android:name"), it.getAttribute("android:parentActivityName")) }
                .filter { it.isNotEmpty() }
        assertTrue("$named", named.size >= 8)
        for (name in named) assertTrue(name, File(main, "kotlin/${name.replace('.', '/')}.kt").exists())
    }

    @Test
    fun `every resource that is named is there, and every one that is there is used`() {
        val values =
            xml.filter { it.parentFile.name == "values" }.flatMap { file ->
                listOf("string", "plurals", "string-array", "color", "style").flatMap { tag ->
                    elements(parse(file), tag).map {
                        tag.replace("string-array", "array") + "/" +
                            it.getAttribute("name")
                    }
                }
            }
        val files =
            xml
                .filter { it.parentFile.name in setOf("layout", "drawable", "color") }
                .map { "${it.parentFile.name}/${it.nameWithoutExtension}" }
        val ids =
            xml.flatMap {
                Regex("@\\+id/(\\w+)").findAll(it.readText()).map { found ->
                    "id/${found.groupValues[1]}"
                }
            }
        val known = (values + files + ids).toSet()
        val inXml =
            xml.flatMap { file ->
                Regex("@(string|plurals|color|style|layout|drawable|id)/([\\w.]+)")
                    .findAll(file.readText())
                    .map { "${it.groupValues[1]}/${it.groupValues[2]}" }
            }
        val inKotlin =
            Regex(
                "[^.]R\\.(\\w+)\\.(\\w+)",
            ).findAll(sources).map { "${it.groupValues[1]}/${it.groupValues[2]}" }
        val used = (inXml + inKotlin).toSet()
        assertEquals(emptySet<String>(), used - known)
        assertEquals(emptySet<String>(), known - used - setOf("style/Theme.Mobilevis"))
    }

    @Test
    fun `both builds agree on the SDKs, the package and the bundled model`() {
        val ant = File("apk.xml").readText()
        for ((inGradle, inAnt) in listOf("minSdk" to "min.sdk", "targetSdk" to "target.sdk")) {
            val value = Regex("$inGradle = (\\d+)").find(gradle)!!.groupValues[1]
            assertTrue(inGradle, "name=\"$inAnt\" value=\"$value\"" in ant)
        }
        assertTrue("namespace = \"org.mobilevis.app\"" in gradle && "package=&quot;org.mobilevis.app&quot;" in ant)
        assertTrue("pom.xml" in gradle && "bundled.model" in gradle)
    }

    @Test
    fun `texts of pictures and of what is pressed are in strings`() {
        for (file in xml.filter { it.parentFile.name.startsWith("layout") }) {
            for (text in Regex("android:(text|contentDescription|hint)=\"([^\"]+)\"").findAll(file.readText())) {
                assertTrue("${file.name}: ${text.value}", text.groupValues[2].startsWith("@string/"))
            }
        }
    }

    @Test
    fun `no permission but the camera's`() {
        val permissions = elements(parse(File(main, "AndroidManifest.xml")), "uses-permission")
        assertEquals(listOf("android.permission.CAMERA"), permissions.map { it.getAttribute("android:name") })
    }
}
