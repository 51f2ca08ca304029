"""MobileInst, and SparseInst, whose decoders it follows."""
