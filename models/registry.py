"""The models by name, as in timm: ``create_model(name, **config)`` and ``list_models()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from mobilevis.models.backbones import BACKBONES
from mobilevis.models.efficientvis.efficientvis import EFFICIENTVIS_SIZES, EfficientVIS, EfficientVISConfig
from mobilevis.models.entries import StreamingModel
from mobilevis.models.maxtron.maxtron_vis import MAXTRON_VIS_SIZES, MaXTronVis, MaXTronVisConfig
from mobilevis.models.maxtron.maxtron_vps import MAXTRON_VPS_SIZES, MaXTronVps, MaXTronVpsConfig
from mobilevis.models.minvis.dvis_plus import DvisPlus, DvisPlusConfig
from mobilevis.models.minvis.minvis import MINVIS_SIZES, MinVIS, MinVISConfig
from mobilevis.models.minvis.tar import TarConfig, TarDvisPlus, TarDvisPlusConfig, TarMinVIS
from mobilevis.models.mobileinst.mobileinst import MobileInst, MobileInstConfig
from mobilevis.models.mobileinst.sparseinst import SPARSEINST_BACKBONES, SparseInst, SparseInstConfig
from mobilevis.models.seqformer.seqformer import SEQFORMERS, SeqFormer, SeqFormerConfig

# The models on Mask2Former's decoder, which share their sizes.
QUERY_MODELS: tuple[tuple[str, type[StreamingModel], type], ...] = (
    ("minvis", MinVIS, MinVISConfig),
    ("minvis-tar", TarMinVIS, TarConfig),
    ("dvis-plus", DvisPlus, DvisPlusConfig),
    ("dvis-plus-tar", TarDvisPlus, TarDvisPlusConfig),
)
Factory = Callable[..., StreamingModel]


def _family(
    model: Callable[[Any], StreamingModel],
    config: type,
    name: str,
    backbone: str,
    defaults: Mapping[str, Any] = {},
) -> Factory:
    """A factory of one family's models on one backbone, with the defaults of its size."""

    def create(**options: Any) -> StreamingModel:
        if options.get("backbone", backbone) != backbone:
            raise ValueError(f"{name} has no backbone {options['backbone']}")
        known = sorted(field.name for field in fields(config))
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"no configuration {', '.join(unknown)}; known are {', '.join(known)}")
        return model(config(**{**defaults, **options, "backbone": backbone}))

    return create


def _families() -> Iterator[tuple[str, Factory]]:
    for backbone in BACKBONES:
        name = f"mobileinst-{backbone}"
        yield name, _family(MobileInst, MobileInstConfig, name, backbone)
    for backbone in SPARSEINST_BACKBONES:
        name = f"sparseinst-{backbone}"
        yield name, _family(SparseInst, SparseInstConfig, name, backbone)
    for size, defaults in MINVIS_SIZES.items():
        for prefix, model, config in QUERY_MODELS:
            name = f"{prefix}-{size}"
            yield name, _family(model, config, name, defaults["backbone"], defaults)
    for name, chosen in SEQFORMERS.items():
        yield name, _family(SeqFormer, SeqFormerConfig, name, chosen["backbone"], chosen)
    for size, defaults in EFFICIENTVIS_SIZES.items():
        name = f"efficientvis-{size}"
        yield name, _family(EfficientVIS, EfficientVISConfig, name, defaults["backbone"], defaults)
    for size, defaults in MAXTRON_VIS_SIZES.items():
        name = f"maxtron-vis-{size}"
        yield name, _family(MaXTronVis, MaXTronVisConfig, name, defaults["backbone"], defaults)
    for size, defaults in MAXTRON_VPS_SIZES.items():
        name = f"maxtron-vps-{size}"
        yield name, _family(MaXTronVps, MaXTronVpsConfig, name, defaults["backbone"], defaults)


MODELS: dict[str, Factory] = dict(_families())


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
