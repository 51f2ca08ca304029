package org.mobilevis.app.models

import java.io.File
import java.io.InputStream
import java.security.MessageDigest

/** SHA-256 of a file, or over a folder's names and hashes, as mobilevis computes it; lower-case hexadecimal. */
fun sha256(file: File): String =
    if (file.isDirectory) {
        sha256OfFiles(file.list().orEmpty().toList()) { File(file, it).inputStream() }
    } else {
        file.inputStream().use(::sha256)
    }

/**
 * SHA-256 of a folder.
 *
 * @param names of its files.
 * @param open gives the bytes of one.
 */
fun sha256OfFiles(
    names: List<String>,
    open: (String) -> InputStream,
): String {
    val lines = names.sorted().joinToString("") { "$it\u0000${open(it).use(::sha256)}\n" }
    return sha256(lines.byteInputStream())
}

private fun sha256(stream: InputStream): String {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(1 shl 16)
    while (true) {
        val read = stream.read(buffer)
        if (read < 0) break
        digest.update(buffer, 0, read)
    }
    return digest.digest().joinToString("") { "%02x".format(it) }
}
