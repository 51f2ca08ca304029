package org.mobilevis.engines

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.Arguments
import org.junit.jupiter.params.provider.MethodSource
import org.mobilevis.core.Golden
import org.mobilevis.core.VideoSegmenter
import org.mobilevis.core.decodeRle
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.MobileInstOptions
import org.mobilevis.core.frame.RgbFrame
import org.mobilevis.core.readPng
import org.mobilevis.core.results.JsonLines
import java.io.File

/** Networks in every format, end to end; LiteRT's and ExecuTorch's libraries are Android's own. */
class PicturesTest {
    @ParameterizedTest(name = "{0} as {1}, {2}, {3}, every {4}")
    @MethodSource("combinations")
    fun `from pictures, both runtimes find the same objects`(
        driver: String,
        format: ArtefactFormat,
        clip: String,
        association: String,
        interval: Int,
    ) {
        val expected = Golden.lines(File(Networks.of(driver, format), "$clip/$association-$interval.jsonl").readText())
        val least = LEAST_SCORES.getValue(driver)
        val options =
            MobileInstOptions(
                scoreThreshold = least,
                birthScore = least,
                nmsIou = 0.2,
                association = AssociationKind.of(association),
                keyframeInterval = interval,
            )
        loadArtefact(Networks.artefact(driver, format)).use { engine ->
            val segmenter = VideoSegmenter(engine, options)
            for ((picture, theirs) in clips.getValue(clip).zip(expected)) {
                val line = StringBuilder()
                JsonLines(line, engine.metadata.classes).write(segmenter.process(picture))
                compare(theirs, Golden.lines(line.toString()).single())
            }
        }
        assertEquals(48, expected.size)
        assertTrue(expected.sumOf { (it["instances"] as List<*>).size } >= 42, "the pictures show objects")
    }

    /** By identity: the order of two that score alike may differ. */
    private fun compare(
        theirs: Map<String, Any?>,
        ours: Map<String, Any?>,
    ) {
        val (expected, actual) = byId(theirs) to byId(ours)
        assertEquals(expected.keys, actual.keys, "frame ${theirs["frame"]}")
        for ((id, instance) in expected) {
            val other = actual.getValue(id)
            val where = "frame ${theirs["frame"]}, track $id"
            assertEquals(instance["category_id"], other["category_id"], where)
            assertEquals(instance["score"] as Double, other["score"] as Double, 1e-3, where)
            assertTrue(iou(instance, other) >= 0.999, "$where: IoU ${iou(instance, other)}")
        }
    }

    private fun byId(record: Map<String, Any?>): Map<Long, Map<*, *>> =
        (record["instances"] as List<*>).associate { ((it as Map<*, *>)["track_id"] as Long) to it }

    private fun iou(
        first: Map<*, *>,
        second: Map<*, *>,
    ): Double {
        val (one, other) = listOf(first, second).map { (it["segmentation"] as Map<*, *>)["counts"] as String }
        if (one == other) return 1.0
        val (a, b) = decodeRle(one) to decodeRle(other)
        val both = a.indices.count { a[it] && b[it] }
        return both.toDouble() / a.indices.count { a[it] || b[it] }
    }

    companion object {
        private val ASSOCIATIONS =
            mapOf(
                "mobileinst" to listOf("slots", "online", "appearance"),
                "mobileinst-dense" to listOf("online", "appearance"),
            )
        private val LEAST_SCORES = mapOf("mobileinst" to 0.2, "mobileinst-dense" to 0.3)
        private val CLIPS = listOf("crossings", "exits", "counts")

        @JvmStatic
        fun combinations(): List<Arguments> =
            ASSOCIATIONS.flatMap { (driver, associations) ->
                ArtefactFormat.entries.flatMap { format ->
                    CLIPS.flatMap { clip ->
                        associations.flatMap { association ->
                            listOf(1, 3, 5).map { Arguments.of(driver, format, clip, association, it) }
                        }
                    }
                }
            }

        private val clips: Map<String, List<RgbFrame>> by lazy {
            CLIPS.associateWith { clip ->
                File(Networks.folder, "pictures/$clip")
                    .listFiles { file -> file.extension == "png" }!!
                    .sorted()
                    .map(::readPng)
            }
        }
    }
}
