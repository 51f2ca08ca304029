"""Checkpoints that ship with the package, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Optional

from mobilevis.models.registry import list_models
from mobilevis.runtime.errors import suggest

# Name of the weights → model. A model's own name takes weights of that name, or else the first ones it has.
BUNDLED: Mapping[str, str] = MappingProxyType(
    {
        "mobileinst-yolox-nano": "mobileinst-yolox-nano",
        "mobileinst-yolox-nano-propagate": "mobileinst-yolox-nano-propagate",
        "mobileinst-topformer-tiny-synth": "mobileinst-topformer-tiny",
    }
)


def bundled_names() -> list[str]:
    """What ``bundled_checkpoint`` finds weights for: names of weights, and of the models that have some."""
    return sorted({*BUNDLED, *BUNDLED.values()})


def bundled_checkpoint(name: str) -> Optional[Path]:
    """Path of trained weights that ship with the package; None for a model that has none.

    Args:
        name: of the weights, or one of ``list_models()``.

    Raises:
        ValueError: the name is not known.
    """
    known = [*list_models(), *BUNDLED]
    if name not in known:
        raise ValueError(f"no model {name}; {suggest(name, sorted(set(known)))}")
    own = [weights for weights, model in BUNDLED.items() if name in (weights, model)]
    return _path(own[0]) if own else None


def find_weights(name: str) -> Path:
    """The file that ships by a name of ``bundled_names()``, or the path that the name is."""
    return (bundled_checkpoint(name) if name in bundled_names() else None) or Path(name)


def weights_of(model: str) -> list[str]:
    """The names of the weights that ship for a model."""
    return [weights for weights, of in BUNDLED.items() if of == model]


def _path(weights: str) -> Optional[Path]:
    path = Path(str(files("mobilevis.models.weights"))) / f"{weights}.safetensors"
    return path if path.is_file() else None
