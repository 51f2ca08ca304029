package org.mobilevis.core.driver

import org.mobilevis.core.metadata.Category

/** How identities are kept; see the classes of `org.mobilevis.core.association`. */
enum class AssociationKind(
    val word: String,
) {
    SLOTS("slots"),
    ONLINE("online"),
    APPEARANCE("appearance"),
    ;

    companion object {
        /** @throws IllegalArgumentException no association is called so; the message names those that are. */
        fun of(word: String): AssociationKind = entries.called(word, "association") { it.word }
    }
}

/**
 * How a MobileInst artefact is run, with learned queries or dense kernels; the defaults are the Python runtime's.
 *
 * @property scoreThreshold instances below it are not returned.
 * @property maskThreshold foreground probability of a mask pixel; null for the driver's own, see [Family].
 * @property classes names of the categories to keep; null keeps all.
 * @property keyframeInterval T ≥ 1; kernels are computed on one of T frames. Null takes the artefact's own.
 * @property keyframePolicy which frame that is.
 * @property longestInterval drift policy: frames after which a keyframe comes in any case, or 2T if that is more.
 * @property shortestInterval drift policy: frames from a keyframe to the next at least.
 * @property association how identities are kept; null for the driver's own.
 * @property matchCosine online association: least cosine of a detection's kernel with its track's.
 * @property matchSimilarity appearance association: least similarity of a detection with its track.
 * @property birthScore appearance association: least score of a detection that starts a track.
 * @property nmsIou dense kernels: a cell is dropped for a better one of its class whose box overlaps it by more.
 * @property partMasks whether what several instances of a class claim goes to one of them; null for the driver's own.
 * @property keepLost keyframes (online) or frames (appearance) that a track survives unseen; null for its default.
 * @throws IllegalArgumentException a value is out of range.
 */
data class MobileInstOptions(
    val scoreThreshold: Double = 0.3,
    val maskThreshold: Double? = null,
    val classes: List<String>? = null,
    val keyframeInterval: Int? = null,
    val association: AssociationKind? = null,
    val matchCosine: Double = 0.5,
    val matchSimilarity: Double = 0.7,
    val birthScore: Double = 0.2,
    val keepLost: Int? = null,
    val nmsIou: Double = 0.65,
    val partMasks: Boolean? = null,
    val keyframePolicy: KeyframePolicy = KeyframePolicy.FIXED,
    val longestInterval: Int = 12,
    val shortestInterval: Int = 1,
) {
    init {
        require(scoreThreshold in 0.0..1.0 && (maskThreshold == null || maskThreshold > 0.0 && maskThreshold < 1.0)) {
            "score and mask thresholds are probabilities"
        }
        require(keyframeInterval == null || keyframeInterval >= 1) {
            "the keyframe interval is $keyframeInterval, it must be 1 or more"
        }
        require(matchCosine in -1.0..1.0 && matchSimilarity in -1.0..2.0) {
            "match_cosine lies in [-1, 1] and match_similarity in [-1, 2]"
        }
        require(birthScore in 0.0..1.0) { "birth_score is $birthScore, scores lie in [0, 1]" }
        require(nmsIou > 0.0 && nmsIou <= 1.0) { "nms_iou is $nmsIou, it lies in (0, 1]" }
        require(longestInterval >= 1 && shortestInterval >= 1) {
            "longest_interval and shortest_interval are 1 or more"
        }
        require(keepLost == null || keepLost >= 0) { "keep_lost is 0 or more" }
    }
}

/**
 * Which class indices to keep; null where all are kept.
 *
 * @throws IllegalArgumentException a name is not one of the artefact's; the text lists these.
 */
internal fun classFilter(
    known: List<Category>,
    names: List<String>?,
): BooleanArray? {
    if (names == null) return null
    val own = known.map { it.name }
    val unknown = (names.toSet() - own.toSet()).sorted()
    require(unknown.isEmpty()) {
        "no class ${unknown.joinToString(", ")}; the artefact knows ${own.joinToString(", ")}"
    }
    return BooleanArray(own.size) { own[it] in names }
}
