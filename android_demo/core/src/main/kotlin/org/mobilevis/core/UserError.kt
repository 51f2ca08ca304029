package org.mobilevis.core

/**
 * A fault that the user can mend; its message is one line: what is wrong, in which file, and what to do.
 *
 * @property what what is wrong, in a few words.
 * @property file the file concerned; null where there is none.
 * @property fix what to do about it.
 */
class UserError(
    val what: String,
    val file: String? = null,
    val fix: String = "",
    cause: Throwable? = null,
) : RuntimeException(line(what, file, fix), cause) {
    private companion object {
        fun line(
            what: String,
            file: String?,
            fix: String,
        ): String {
            val subject = if (file == null) what else "$what ($file)"
            return if (fix.isEmpty()) subject else "$subject: $fix"
        }
    }
}
