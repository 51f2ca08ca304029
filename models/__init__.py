"""PyTorch models for video instance segmentation, one family a file."""

from mobilevis.models.bundled import bundled_checkpoint
from mobilevis.models.entries import Entry, StreamingModel
from mobilevis.models.registry import create_model, list_models

__all__ = ["Entry", "StreamingModel", "bundled_checkpoint", "create_model", "list_models"]
