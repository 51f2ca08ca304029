package org.mobilevis.worker

import org.mobilevis.core.UserError
import org.mobilevis.core.driver.AssociationKind
import org.mobilevis.core.driver.KeyframePolicy
import org.mobilevis.core.driver.MobileInstOptions

private val KNOWN =
    listOf(
        "score_threshold",
        "mask_threshold",
        "classes",
        "keyframe_interval",
        "keyframe_policy",
        "longest_interval",
        "shortest_interval",
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

    fun real(
        name: String,
        otherwise: Double,
    ) = number(name)?.toDouble() ?: otherwise

    fun whole(
        name: String,
        otherwise: Int,
    ) = number(name)?.toInt() ?: otherwise

    fun flag(name: String) = given[name]?.let { requireNotNull(it as? Boolean) { "$name is $it, not true or false" } }
    return try {
        MobileInstOptions(
            scoreThreshold = real("score_threshold", base.scoreThreshold),
            maskThreshold = number("mask_threshold")?.toDouble(),
            classes = (given["classes"] as? List<*>)?.map { it.toString() },
            keyframeInterval = number("keyframe_interval")?.toInt(),
            keyframePolicy =
                given["keyframe_policy"]?.let { KeyframePolicy.of(it.toString()) } ?: base.keyframePolicy,
            longestInterval = whole("longest_interval", base.longestInterval),
            shortestInterval = whole("shortest_interval", base.shortestInterval),
            association = given["association"]?.let { AssociationKind.of(it.toString()) },
            matchCosine = real("match_cosine", base.matchCosine),
            matchSimilarity = real("match_similarity", base.matchSimilarity),
            birthScore = real("birth_score", base.birthScore),
            keepLost = number("keep_lost")?.toInt(),
            nmsIou = real("nms_iou", base.nmsIou),
            partMasks = flag("part_masks"),
        )
    } catch (error: IllegalArgumentException) {
        throw UserError(error.message.orEmpty(), fix = "give another value", cause = error)
    }
}
