package org.mobilevis.app

import android.content.Context
import org.mobilevis.app.stream.SourceFault
import org.mobilevis.core.UserError

/** What a button of a notice does. */
enum class NoticeAction(
    val label: Int,
) {
    ALLOW_CAMERA(R.string.allow_camera),
    OPEN_SETTINGS(R.string.open_settings),
    CHOOSE_SOURCE(R.string.choose_source),
    CHOOSE_MODEL(R.string.choose_model),
    TRY_AGAIN(R.string.try_again),
}

/**
 * A message over the picture.
 *
 * @property actions one or two, the one that helps most first.
 */
class Notice(
    val title: String,
    val text: String,
    val actions: List<NoticeAction>,
)

/** The message of a model's fault; a fault in words is shown as it is. */
fun noticeOf(
    context: Context,
    fault: Throwable,
): Notice =
    Notice(
        context.getString(R.string.model_failed_title),
        faultText(context, fault),
        listOf(NoticeAction.CHOOSE_MODEL),
    )

/** A fault in words. */
fun faultText(
    context: Context,
    fault: Throwable,
): String =
    when (fault) {
        is UserError -> fault.message.orEmpty()
        is OutOfMemoryError -> context.getString(R.string.out_of_memory)
        else -> fault.toString()
    }

/**
 * The message of a source's fault.
 *
 * @param isBlocked whether Android asks for the permission no more.
 */
fun noticeOf(
    context: Context,
    fault: SourceFault,
    isBlocked: Boolean,
): Notice {
    val (title, text, actions) =
        when (fault) {
            SourceFault.NO_CAMERA ->
                Triple(R.string.no_camera_title, R.string.no_camera_text, OTHER_SOURCE)
            SourceFault.CAMERA_IN_USE ->
                Triple(R.string.camera_in_use_title, R.string.camera_in_use_text, OTHER_SOURCE)
            SourceFault.CAMERA_DISABLED ->
                Triple(R.string.camera_disabled_title, R.string.camera_disabled_text, OTHER_SOURCE)
            SourceFault.CAMERA_FAILED ->
                Triple(
                    R.string.camera_failed_title,
                    R.string.camera_failed_text,
                    listOf(NoticeAction.TRY_AGAIN) + OTHER_SOURCE,
                )
            SourceFault.VIDEO_UNREADABLE ->
                Triple(R.string.video_title, R.string.video_text, OTHER_SOURCE)
            SourceFault.LOW_MEMORY ->
                Triple(
                    R.string.low_memory_title,
                    R.string.low_memory_text,
                    listOf(NoticeAction.TRY_AGAIN) + OTHER_SOURCE,
                )
            SourceFault.NO_PERMISSION ->
                if (isBlocked) {
                    Triple(
                        R.string.permission_title,
                        R.string.permission_blocked_text,
                        listOf(NoticeAction.OPEN_SETTINGS) + OTHER_SOURCE,
                    )
                } else {
                    Triple(
                        R.string.permission_title,
                        R.string.permission_text,
                        listOf(NoticeAction.ALLOW_CAMERA) + OTHER_SOURCE,
                    )
                }
        }
    return Notice(context.getString(title), context.getString(text), actions)
}

private val OTHER_SOURCE = listOf(NoticeAction.CHOOSE_SOURCE)
