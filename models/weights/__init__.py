"""Every tensor file: our checkpoints, official backbones by documented mappings, the weights that ship."""
