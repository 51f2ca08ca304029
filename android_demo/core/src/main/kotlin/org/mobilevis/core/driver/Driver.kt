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

/** Driver name in the metadata → how to make it. */
private val DRIVERS: Map<String, (Engine, MobileInstOptions) -> Driver> = mapOf("mobileinst" to ::MobileInstDriver)

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
    val make =
        DRIVERS[name] ?: throw UserError(
            "the artefact needs driver $name, known are ${DRIVERS.keys.sorted().joinToString(", ")}",
            engine.file,
            "run it with the Python runtime, or choose another model",
        )
    return try {
        make(engine, options)
    } catch (error: IllegalArgumentException) {
        throw UserError(error.message.orEmpty(), engine.file, "give another value", error)
    }
}
