"""The models by name, as in timm: ``create_model(name, **config)`` and ``list_models()``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from mobilevis.models.backbones import BACKBONES
from mobilevis.models.entries import StreamingModel
from mobilevis.models.mobileinst import MobileInst, MobileInstConfig


def _mobileinst(backbone: str) -> Callable[..., StreamingModel]:
    def create(**config: Any) -> StreamingModel:
        if config.get("backbone", backbone) != backbone:
            raise ValueError(f"mobileinst-{backbone} has no backbone {config['backbone']}")
        known = sorted(field.name for field in fields(MobileInstConfig))
        unknown = sorted(set(config) - set(known))
        if unknown:
            raise ValueError(f"no configuration {', '.join(unknown)}; known are {', '.join(known)}")
        return MobileInst(MobileInstConfig(**{**config, "backbone": backbone}))

    return create


MODELS: dict[str, Callable[..., StreamingModel]] = {
    f"mobileinst-{backbone}": _mobileinst(backbone) for backbone in BACKBONES
}


def list_models() -> list[str]:
    """Names that ``create_model`` knows, sorted."""
    return sorted(MODELS)


def create_model(name: str, **config: Any) -> StreamingModel:
    """Build a model with random weights, in training mode.

    Args:
        name: one of ``list_models()``.
        config: the family's configuration, for MobileInst the fields of ``MobileInstConfig``; what the name
            says, such as the backbone, may be repeated but not changed.

    Raises:
        ValueError: the name, a configuration key or a value is not known; the text lists the known ones.

    Example:
        >>> create_model("mobileinst-topformer-tiny", num_queries=50).config.num_queries
        50
    """
    if name not in MODELS:
        raise ValueError(f"no model {name}; known are {', '.join(list_models())}")
    return MODELS[name](**config)
