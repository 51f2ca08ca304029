package org.mobilevis.app.view

import android.graphics.Path
import org.mobilevis.core.FrameResult
import org.mobilevis.core.Instance
import org.mobilevis.core.mask.Box
import org.mobilevis.core.metadata.Category
import org.mobilevis.core.metadata.Size
import java.util.Locale

/**
 * One object as it is drawn.
 *
 * @property outline in cells of the box.
 * @property box in pixels of the frame.
 * @property color opaque ARGB, the identity's own.
 * @property label identity, class and score.
 */
class ObjectShape(
    val outline: Path,
    val box: Box,
    val color: Int,
    val label: String,
)

/**
 * What is drawn over a frame.
 *
 * @property frameSize of the frame that boxes are in.
 * @property objects the larger ones first, so that smaller ones lie on top.
 */
class Overlay(
    val frameSize: Size,
    val objects: List<ObjectShape>,
) {
    companion object {
        /**
         * The shapes of a result.
         *
         * @param colors the video's.
         */
        fun of(
            result: FrameResult,
            classes: List<Category>,
            colors: TrackColors,
        ): Overlay {
            val own = colors.update(result.instances.map { it.trackId })
            val bySize = result.instances.zip(own).sortedByDescending { (instance, _) -> instance.mask.area() }
            return Overlay(result.frameSize, bySize.map { (instance, color) -> shape(instance, classes, color) })
        }

        private fun shape(
            instance: Instance,
            classes: List<Category>,
            color: Int,
        ): ObjectShape {
            val name = classes[instance.classIndex].name
            val label = String.format(Locale.ROOT, "%d %s %.2f", instance.trackId, name, instance.score)
            return ObjectShape(outline(instance.mask), instance.box, color, label)
        }
    }
}
