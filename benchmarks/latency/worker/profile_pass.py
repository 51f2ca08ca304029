"""The profile pass: milliseconds of each operator by the engine's own profiler. Never a latency."""
