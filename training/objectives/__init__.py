"""The training losses: one file a family, side by side, and what they share."""
