package org.mobilevis.worker

import org.mobilevis.core.UserError
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.MobileInstOptions

private val KNOWN =
    listOf(
        "score_threshold",
        "mask_threshold",
        "classes",
        "keyframe_interval",
        "association",
        "match_cosine",
        "match_similarity",
        "birth_score",
        "keep_lost",
        "nms_iou",
        "part_masks",
    )

/**
 * The driver's options by Python's names.
 *
 * @throws UserError a name is not known, or a value is out of range or of another type.
 */
internal fun driverOptions(given: Map<String, Any?>): MobileInstOptions {
    val unknown = given.keys - KNOWN.toSet()
    if (unknown.isNotEmpty()) {
        throw UserError(
            "the Android worker has no option ${unknown.sorted().joinToString(", ")}",
            fix = "its options are ${KNOWN.joinToString(", ")}",
        )
    }
    val base = MobileInstOptions()

    fun number(name: String) = given[name]?.let { requireNotNull(it as? Number) { "$name is $it, not a number" } }

    fun flag(name: String) = given[name]?.let { requireNotNull(it as? Boolean) { "$name is $it, not true or false" } }
    return try {
        MobileInstOptions(
            scoreThreshold = number("score_threshold")?.toDouble() ?: base.scoreThreshold,
            maskThreshold = number("mask_threshold")?.toDouble(),
            classes = (given["classes"] as? List<*>)?.map { it.toString() },
            keyframeInterval = number("keyframe_interval")?.toInt(),
            association = given["association"]?.let { AssociationKind.of(it.toString()) },
            matchCosine = number("match_cosine")?.toDouble() ?: base.matchCosine,
            matchSimilarity = number("match_similarity")?.toDouble() ?: base.matchSimilarity,
            birthScore = number("birth_score")?.toDouble() ?: base.birthScore,
            keepLost = number("keep_lost")?.toInt(),
            nmsIou = number("nms_iou")?.toDouble() ?: base.nmsIou,
            partMasks = flag("part_masks"),
        )
    } catch (error: IllegalArgumentException) {
        throw UserError(error.message.orEmpty(), fix = "give another value", cause = error)
    }
}
