package org.mobilevis.app.view

import android.content.Context
import org.mobilevis.app.R
import org.mobilevis.app.stream.HudFigures
import org.mobilevis.app.thermalWords

/** The figures as the lines of the HUD: rate, one line a stage with the whole frame first, losses and heat. */
fun hudText(
    context: Context,
    hud: HudFigures,
    thermalStatus: Int?,
): String {
    val kind = context.getString(if (hud.isKeyframe) R.string.hud_keyframe else R.string.hud_other_frame)
    val rate = context.getString(R.string.hud_rate, hud.framesPerSecond, hud.objects, kind)
    val whole = hud.milliseconds.filterKeys { it == WHOLE_FRAME }
    val stages =
        (whole + (hud.milliseconds - WHOLE_FRAME)).map { (stage, milliseconds) ->
            context.getString(R.string.hud_stage, stage.padEnd(STAGE_LETTERS), milliseconds)
        }
    val rest =
        context.getString(R.string.hud_dropped, 100 * hud.dropped, thermalWords(context, thermalStatus))
    return (listOf(rate) + stages + rest).joinToString("\n")
}

/** The stage that sums up a frame. */
private const val WHOLE_FRAME = "frame"

/** Letters of the longest stage, `association`. */
private const val STAGE_LETTERS = 11
