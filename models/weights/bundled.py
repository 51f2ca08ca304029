"""Checkpoints that ship with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Optional

from mobilevis.models.registry import list_models
from mobilevis.runtime.errors import suggest


def bundled_models() -> dict[str, Path]:
    """The checkpoints that ship, by the names of their models."""
    folder = Path(str(files("mobilevis.models.weights")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def bundled_checkpoint(name: str) -> Optional[Path]:
    """Path of the trained weights of a model that ship with the package; None where there are none.

    Args:
        name: one of ``list_models()``.

    Raises:
        ValueError: the name is not known.
    """
    if name not in list_models():
        raise ValueError(f"no model {name}; {suggest(name, list_models())}")
    return bundled_models().get(name)
