"""Which object of a frame is which of the frames before: by kernels, by appearance, by overlap."""
