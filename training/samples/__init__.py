"""What a batch is made of: frames and their targets, from a data set, augmented."""
