package org.mobilevis.core.driver

/**
 * The choice that a user calls so.
 *
 * @param kind what is chosen, for the message.
 * @param wordOf the word for a choice.
 * @throws IllegalArgumentException none is called so; the message names those that are.
 */
internal fun <T> Iterable<T>.called(
    word: String,
    kind: String,
    wordOf: (T) -> String,
): T =
    requireNotNull(firstOrNull { wordOf(it) == word }) {
        "$kind $word is not one of ${joinToString(", ", transform = wordOf)}"
    }
