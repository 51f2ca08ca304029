package org.mobilevis.engines

import org.mobilevis.core.Golden
import java.io.File

/** What tests/android/networks.py writes: an artefact of each driver in each format, and their results. */
object Networks {
    /** The whole part. */
    val folder: File by lazy { Golden.part("real") }

    /** An artefact and its results. */
    fun of(
        driver: String,
        format: ArtefactFormat,
    ): File = File(folder, "real/$driver/${format.name.lowercase()}")

    /** The artefact; what its engine needs on a desktop is there, or the test is skipped. */
    fun artefact(
        driver: String,
        format: ArtefactFormat,
    ): File {
        if (format == ArtefactFormat.ONNX) return File(of(driver, format), "artefact_onnx")
        AndroidLibraries.require()
        return File(of(driver, format), "artefact.${format.name.lowercase()}")
    }
}
