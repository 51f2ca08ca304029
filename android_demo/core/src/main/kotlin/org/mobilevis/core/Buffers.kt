package org.mobilevis.core

import java.nio.Buffer

/*
 * Before Android 10, `ByteBuffer.position(int)` and its like return a Buffer only. Compiled against a newer Java they
 * are looked up as methods that return a ByteBuffer, and not found: these call Buffer's own.
 */

/** Moves the position; returns the buffer itself. */
fun <T : Buffer> T.startingAt(position: Int): T = apply { position(position) }

/** Moves the limit; returns the buffer itself. */
fun <T : Buffer> T.endingAt(limit: Int): T = apply { limit(limit) }
