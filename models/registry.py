"""The models by name, as in timm: ``create_model(name, **config)`` and ``list_models()``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from mobilevis.models.backbones import BACKBONES
from mobilevis.models.efficientvis.efficientvis import EFFICIENTVIS_SIZES, EfficientVIS, EfficientVISConfig
from mobilevis.models.entries import StreamingModel
from mobilevis.models.maxtron.maxtron_vis import MAXTRON_VIS_SIZES, MaXTronVis, MaXTronVisConfig
from mobilevis.models.maxtron.maxtron_vps import MAXTRON_VPS_SIZES, MaXTronVps, MaXTronVpsConfig
from mobilevis.models.minvis.dvis_plus import DvisPlus, DvisPlusConfig
from mobilevis.models.minvis.minvis import MINVIS_SIZES, MinVIS, MinVISConfig
from mobilevis.models.minvis.tar import TarConfig, TarDvisPlus, TarDvisPlusConfig, TarMinVIS
from mobilevis.models.mobileinst.dense import DenseMobileInst
from mobilevis.models.mobileinst.dense_config import DENSE_BACKBONES, DenseMobileInstConfig
from mobilevis.models.mobileinst.mobileinst import MobileInst, MobileInstConfig
from mobilevis.models.mobileinst.propagation import PropagationConfig
from mobilevis.models.mobileinst.sparseinst import SPARSEINST_BACKBONES, SparseInst, SparseInstConfig
from mobilevis.models.seqformer.seqformer import SEQFORMER_SIZES, TAFORMER_SIZES, SeqFormer, SeqFormerConfig
from mobilevis.runtime.errors import suggest

Factory = Callable[..., StreamingModel]
PROPAGATING = ("topformer-tiny", "topformer-base")  # backbones of the names that end in -propagate
LITE = ("topformer-tiny", "topformer-small", "topformer-base")  # and of mobileinst-lite


@dataclass(frozen=True)
class Family:
    """Models of one architecture in several sizes, each on its backbone.

    Attributes:
        prefix: of the models' names; the size follows.
        model: built from a configuration.
        config: the configuration's class.
        sizes: size → configuration, the backbone with it.
        renamed: options by the names that earlier versions gave them, in checkpoints too → their names.
        before: options that came later → what checkpoints without them were built with.
        any_backbone: whether a configuration may put another backbone in the place of the size's.
    """

    prefix: str
    model: Callable[[Any], StreamingModel]
    config: type
    sizes: Mapping[str, Mapping[str, Any]]
    renamed: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    any_backbone: bool = False

    def create(self, size: str, **options: Any) -> StreamingModel:
        """A model of one size with other options.

        Raises:
            ValueError: an option is not known, or another backbone than the size's where its name says it.
        """
        for former, name in self.renamed.items():
            if former in options and name not in options:
                options[name] = options.pop(former)
        defaults = self.sizes[size]
        backbone = defaults["backbone"]
        if options.get("backbone", backbone) != backbone and not self.any_backbone:
            raise ValueError(f"{self.prefix}-{size} has no backbone {options['backbone']}")
        known = sorted(option.name for option in fields(self.config))
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"no configuration {', '.join(unknown)}; {suggest(unknown[0], known)}")
        return self.model(self.config(**{**defaults, **options}))


def _on_each(backbones: Iterable[str], suffix: str = "", **options: Any) -> dict[str, dict[str, Any]]:
    """The sizes of a family that differs in its backbone alone, and is called after it.

    Args:
        backbones: by name.
        suffix: of the sizes' names.
        options: of the configuration, which all sizes have.
    """
    return {f"{backbone}{suffix}": {"backbone": backbone, **options} for backbone in backbones}


_Sibling = partial(Family, any_backbone=True)
FAMILIES = (
    Family("mobileinst", MobileInst, MobileInstConfig, _on_each(BACKBONES)),
    Family(
        "mobileinst",
        MobileInst,
        MobileInstConfig,
        _on_each(PROPAGATING, "-propagate", propagation=PropagationConfig()),
    ),
    Family("mobileinst-lite", MobileInst, MobileInstConfig, _on_each(LITE, dim=128, mask_decoder="light")),
    Family("mobileinst", DenseMobileInst, DenseMobileInstConfig, _on_each(DENSE_BACKBONES)),
    Family(
        "mobileinst",
        DenseMobileInst,
        DenseMobileInstConfig,
        _on_each(DENSE_BACKBONES, "-propagate", propagation=PropagationConfig()),
    ),
    Family("sparseinst", SparseInst, SparseInstConfig, _on_each(SPARSEINST_BACKBONES)),
    # On Mask2Former's decoder, whose sizes they share.
    _Sibling("minvis", MinVIS, MinVISConfig, MINVIS_SIZES),
    _Sibling("minvis-tar", TarMinVIS, TarConfig, MINVIS_SIZES),
    _Sibling("dvis-plus", DvisPlus, DvisPlusConfig, MINVIS_SIZES),
    _Sibling("dvis-plus-tar", TarDvisPlus, TarDvisPlusConfig, MINVIS_SIZES),
    _Sibling("seqformer", SeqFormer, SeqFormerConfig, SEQFORMER_SIZES, before={"centred_positions": False}),
    _Sibling("taformer", SeqFormer, SeqFormerConfig, TAFORMER_SIZES, before={"centred_positions": False}),
    _Sibling(
        "efficientvis", EfficientVIS, EfficientVISConfig, EFFICIENTVIS_SIZES, {"feed_forward": "hidden"}
    ),
    _Sibling(
        "maxtron-vis",
        MaXTronVis,
        MaXTronVisConfig,
        MAXTRON_VIS_SIZES,
        before={"axial_place": "after", "shared_heads": False},
    ),
    _Sibling("maxtron-vps", MaXTronVps, MaXTronVpsConfig, MAXTRON_VPS_SIZES),
)
MODELS: dict[str, Factory] = {
    f"{family.prefix}-{size}": partial(family.create, size) for family in FAMILIES for size in family.sizes
}


def saved_config(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a saved model, with what was not an option yet when it was saved.

    Args:
        name: of the registry; another one has nothing to add.
        config: as it was saved.
    """
    families = [family for family in FAMILIES for size in family.sizes if name == f"{family.prefix}-{size}"]
    return {**(families[0].before if families else {}), **config}


def full_name(name: str, config: Any) -> str:
    """The name of a model, with its backbone where its configuration put another one in the name's place.

    >>> full_name("minvis-tiny", create_model("minvis-tiny", backbone="topformer-tiny").config)
    'minvis-tiny-on-topformer-tiny'
    """
    own = {f"{family.prefix}-{size}": config for family in FAMILIES for size, config in family.sizes.items()}
    same = name not in own or config.backbone == own[name]["backbone"]
    return name if same else f"{name}-on-{config.backbone}"


def list_models() -> list[str]:
    """Names that ``create_model`` knows, sorted."""
    return sorted(MODELS)


def create_model(name: str, **config: Any) -> StreamingModel:
    """Build a model with random weights, in training mode.

    Args:
        name: one of ``list_models()``.
        config: the family's configuration, for MobileInst the fields of ``MobileInstConfig``. MobileInst's
            and SparseInst's backbone is in the name, and may be repeated but not changed; the other families
            take another one.

    Raises:
        ValueError: the name, a configuration key or a value is not known; the text lists the known ones.

    Example:
        >>> create_model("mobileinst-topformer-tiny", num_queries=50).config.num_queries
        50
    """
    if name not in MODELS:
        raise ValueError(f"no model {name}; {suggest(name, list_models())}")
    return MODELS[name](**config)
