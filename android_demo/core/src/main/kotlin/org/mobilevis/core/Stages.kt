package org.mobilevis.core

/** A stopwatch for the named stages of a frame; a stage that runs twice in a frame counts the sum. */
class Stages(
    private val clock: () -> Long = System::nanoTime,
) {
    private val sums = LinkedHashMap<String, Double>()

    /** Stage → wall-clock milliseconds, in the order in which stages first ended; a copy. */
    val milliseconds: Map<String, Double> get() = LinkedHashMap(sums)

    /** Times [body] as one stage. */
    inline fun <T> time(
        name: String,
        body: () -> T,
    ): T {
        val start = now()
        return body().also { add(name, now() - start) }
    }

    /** Begins another frame. */
    fun clear() = sums.clear()

    @PublishedApi
    internal fun now(): Long = clock()

    @PublishedApi
    internal fun add(
        name: String,
        nanoseconds: Long,
    ) {
        sums[name] = (sums[name] ?: 0.0) + nanoseconds / NANOSECONDS_A_MILLISECOND
    }

    private companion object {
        const val NANOSECONDS_A_MILLISECOND = 1e6
    }
}
