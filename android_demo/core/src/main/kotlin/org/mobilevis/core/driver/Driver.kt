package org.mobilevis.core.driver

import org.mobilevis.core.FrameResult
import org.mobilevis.core.UserError
import org.mobilevis.core.engine.Engine
import org.mobilevis.core.frame.Frame

/** Runs one video through an artefact, frame by frame; the state between frames is the driver's. */
interface Driver {
    /** Segment and track the next frame. */
    fun push(frame: Frame): FrameResult

    /** Forget the video: the next frame is frame 0 of another one. */
    fun reset()
}

/** Driver name in the metadata → whose kernels it runs. */
private val DRIVERS: Map<String, Family> = mapOf("mobileinst" to LEARNED_QUERIES, "mobileinst-dense" to DENSE_KERNELS)

/**
 * The driver that the artefact's metadata names.
 *
 * @throws UserError this runtime has no such driver, or the artefact lacks what it needs, or an option is not one of
 *   the artefact's.
 */
fun makeDriver(
    engine: Engine,
    options: MobileInstOptions,
): Driver {
    val name = engine.metadata.driver
    val family =
        DRIVERS[name] ?: throw UserError(
            "the artefact needs driver $name, known are ${DRIVERS.keys.sorted().joinToString(", ")}",
            engine.file,
            "run it with the Python runtime, or choose another model",
        )
    return try {
        MobileInstDriver(engine, options, family)
    } catch (error: IllegalArgumentException) {
        throw UserError(error.message.orEmpty(), engine.file, "give another value", error)
    }
}
