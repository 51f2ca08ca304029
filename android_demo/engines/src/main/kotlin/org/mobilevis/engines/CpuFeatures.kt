package org.mobilevis.engines

import org.mobilevis.core.UserError
import org.mobilevis.core.metadata.Metadata
import java.io.File

/** How Linux calls the half-precision arithmetic of ARMv8.2 in /proc/cpuinfo. */
private const val HALF_ARITHMETIC = "asimdhp"

/**
 * Whether every core of an ARM CPU computes in half precision.
 *
 * @param cpuinfo the text of /proc/cpuinfo.
 * @return null where the text names no ARM features.
 */
fun hasHalfArithmetic(cpuinfo: String): Boolean? {
    val features = cpuinfo.lineSequence().filter { it.startsWith("Features") }.map { it.substringAfter(':') }
    val cores = features.map { HALF_ARITHMETIC in it.split(' ') }.toList()
    return if (cores.isEmpty()) null else cores.all { it }
}

/**
 * Refuse a half-precision artefact before its first kernel raises an illegal instruction, which ends the process.
 *
 * @throws UserError the artefact needs arithmetic that this CPU lacks.
 */
internal fun checkPrecision(
    metadata: Metadata,
    file: String,
    cpuinfo: File = File("/proc/cpuinfo"),
) {
    if (metadata.precision != "fp16" || !cpuinfo.canRead()) return
    if (hasHalfArithmetic(cpuinfo.readText()) == false) {
        throw UserError("this CPU has no fp16 arithmetic", file, "choose an fp32 or int8 artefact")
    }
}
