"""Checkpoints that ship with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Optional

from mobilevis.models.registry import list_models
from mobilevis.runtime.errors import suggest


def bundled_checkpoint(name: str) -> Optional[Path]:
    """Path of the trained weights of a model that ship with the package; None where there are none.

    Args:
        name: one of ``list_models()``.

    Raises:
        ValueError: the name is not known.
    """
    if name not in list_models():
        raise ValueError(f"no model {name}; {suggest(name, list_models())}")
    path = Path(str(files("mobilevis.models.weights"))) / f"{name}.safetensors"
    return path if path.is_file() else None
