"""EfficientVIS."""
