package org.mobilevis.core.metadata

import org.mobilevis.core.UserError
import org.mobilevis.core.endingAt
import org.mobilevis.core.startingAt
import java.io.File
import java.nio.ByteBuffer
import java.security.MessageDigest

/** The key of the digest where one file holds every entry. */
const val WHOLE_FILE = "file"

/**
 * SHA-256 of a file without the first occurrence of its metadata text, which holds the digest itself.
 *
 * @param file the whole file, from its position to its limit.
 * @param text the metadata as the file holds them.
 * @return lower-case hexadecimal digits; null where the file does not hold the text.
 */
fun digestAround(
    file: ByteBuffer,
    text: ByteArray,
): String? {
    val start = find(file, text)
    if (start < 0) return null
    val digest = MessageDigest.getInstance("SHA-256")
    digest.update(file.duplicate().endingAt(start))
    digest.update(file.duplicate().startingAt(start + text.size))
    return digest.digest().joinToString("") { "%02x".format(it) }
}

/**
 * Refuse a file whose bytes are not those that were exported.
 *
 * @param file for the error message.
 * @param content the whole file.
 * @param key of the file's digest: an entry's name in a folder, else [WHOLE_FILE].
 * @param metadata as parsed; one without digests, of an older export, passes.
 * @param text the metadata as the file holds them.
 * @throws UserError the digest is missing or another.
 */
fun checkDigest(
    file: File,
    content: ByteBuffer,
    key: String,
    metadata: Metadata,
    text: ByteArray,
) {
    if (metadata.digests.isEmpty()) return
    val found =
        digestAround(content, text)
            ?: throw UserError("the metadata do not lie in the file as one text", file.path, "export the model again")
    if (found != metadata.digests[key]) {
        throw UserError(
            "the file is damaged: its SHA-256 is not the one in its metadata",
            file.path,
            "copy it again, or export the model again",
        )
    }
}

/** Index of the first occurrence of [text] from the position on, or -1. */
private fun find(
    file: ByteBuffer,
    text: ByteArray,
): Int {
    if (text.isEmpty()) return file.position()
    for (start in file.position()..file.limit() - text.size) {
        var same = 0
        while (same < text.size && file.get(start + same) == text[same]) same++
        if (same == text.size) return start
    }
    return -1
}
