"""Whether a stream of thousands of frames takes no more than its beginning: memory, descriptors, threads."""
