package org.mobilevis.core.json

/** A text that is no JSON; the message is Python's, such as `Expecting value: line 1 column 1 (char 0)`. */
class JsonError(
    message: String,
) : IllegalArgumentException(message)
