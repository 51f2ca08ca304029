package org.mobilevis.core.results

import org.mobilevis.core.FrameResult
import org.mobilevis.core.Instance
import org.mobilevis.core.json.writeJson
import org.mobilevis.core.metadata.Category
import java.math.BigDecimal
import java.math.RoundingMode

/**
 * One JSON object a frame, with RLE masks: the file that the Python runtime's `--json` writes.
 *
 * @param out takes lines, each with its line break.
 * @param classes the artefact's.
 */
class JsonLines(
    private val out: Appendable,
    private val classes: List<Category>,
) {
    /**
     * Append a frame's instances.
     *
     * @throws java.io.IOException the output cannot be written.
     */
    fun write(result: FrameResult) {
        val record =
            linkedMapOf(
                "frame" to result.frameIndex,
                "is_keyframe" to result.isKeyframe,
                "milliseconds" to result.milliseconds.mapValues { (_, value) -> rounded(value) },
                "instances" to result.instances.map(::instance),
            )
        out.append(writeJson(record)).append('\n')
    }

    private fun instance(item: Instance): Map<String, Any> {
        val category = classes[item.classIndex]
        val size = listOf(item.frameSize.height, item.frameSize.width)
        return linkedMapOf(
            "track_id" to item.trackId,
            "category_id" to category.id,
            "category" to category.name,
            "score" to item.score,
            "box" to listOf(item.box.x0, item.box.y0, item.box.x1, item.box.y1),
            "segmentation" to
                linkedMapOf("size" to size, "counts" to encodeRle(item.mask, item.box, item.frameSize)),
        )
    }

    private fun rounded(milliseconds: Double): Double =
        BigDecimal(milliseconds).setScale(4, RoundingMode.HALF_EVEN).toDouble()
}
