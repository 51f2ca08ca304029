"""PyTorch models for video instance segmentation, a folder a family."""

from mobilevis.models.entries import Entry, StreamingModel
from mobilevis.models.registry import create_model, list_models

__all__ = ["Entry", "StreamingModel", "create_model", "list_models"]
