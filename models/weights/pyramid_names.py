"""Names of tensors in the published files of ResNets, Swins and ConvNeXts, and ours, whoever published them.

A publisher's names are templates: ``{m}`` is a stage and ``{n}`` a block of it, from 0; ``{k}`` is a
convolution of a block, from 0. ``{m1}`` and ``{k1}`` count from 1; ``{r}`` is detectron2's number of a stage;
``{b}`` and ``{d}`` are torchvision's places of a stage and of the downsampling behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Union

from torch import Tensor, nn

from mobilevis.models.backbones.convnext import ConvNeXt
from mobilevis.models.backbones.resnet import ResNet
from mobilevis.models.backbones.swin import Swin
from mobilevis.models.weights.sources import Pairs, Source, find_sources, pair_rows


class ResNetNames(NamedTuple):
    """A publisher's ResNet: pairs of a convolution and its batch norm."""

    stem: tuple[str, str]
    block: tuple[str, str]
    shortcut: tuple[str, str]


class SwinNames(NamedTuple):
    """A publisher's Swin: the stem's convolution and norm, a block and its parts, the merging of patches
    behind a stage, and the norm of its level, "" where there is none. ``unfolded``: see ``unfold_columns``.
    """

    stem: tuple[str, str]
    block: str
    parts: Mapping[str, str]
    downsample: str
    norm: str = ""
    unfolded: bool = False


class ConvNeXtNames(NamedTuple):
    """A publisher's ConvNeXt: the stem's convolution and norm, the norm and convolution before a later stage,
    a block and its parts."""

    stem: tuple[str, str]
    downsample: str
    block: str
    parts: Mapping[str, str]


_MICROSOFT_BLOCK = {
    "layernorm_before.": "norm1.",
    "attention.q_proj.": "attn.qkv.[0]",
    "attention.k_proj.": "attn.qkv.[1]",
    "attention.v_proj.": "attn.qkv.[2]",
    "attention.relative_position_bias.": "attn.",
    "attention.o_proj.": "attn.proj.",
    "layernorm_after.": "norm2.",
    "mlp.fc1.": "mlp.fc1.",
    "mlp.fc2.": "mlp.fc2.",
}
_FACEBOOK_BLOCK = {
    "depthwise.": "dwconv.",
    "norm.": "norm.",
    "expand.": "pwconv1.",
    "project.": "pwconv2.",
    "scale": "gamma",
    "response.weight": "grn.gamma",
    "response.bias": "grn.beta",
}

Names = Union[ResNetNames, SwinNames, ConvNeXtNames]
# Publisher → names. Others have them too: detectron2's and timm's older Swins Microsoft's, kMaX-DeepLab's
# ConvNeXts Facebook's, and timm's and mmdetection's ResNets torchvision's.
RESNET_NAMES: dict[str, Names] = {
    "transformers": ResNetNames(
        ("embedder.embedder.convolution.", "embedder.embedder.normalization."),
        (
            "encoder.stages.{m}.layers.{n}.layer.{k}.convolution.",
            "encoder.stages.{m}.layers.{n}.layer.{k}.normalization.",
        ),
        (
            "encoder.stages.{m}.layers.{n}.shortcut.convolution.",
            "encoder.stages.{m}.layers.{n}.shortcut.normalization.",
        ),
    ),
    "torchvision": ResNetNames(
        ("conv1.", "bn1."),
        ("layer{m1}.{n}.conv{k1}.", "layer{m1}.{n}.bn{k1}."),
        ("layer{m1}.{n}.downsample.0.", "layer{m1}.{n}.downsample.1."),
    ),
    "detectron2": ResNetNames(
        ("stem.conv1.", "stem.conv1.norm."),
        ("res{r}.{n}.conv{k1}.", "res{r}.{n}.conv{k1}.norm."),
        ("res{r}.{n}.shortcut.", "res{r}.{n}.shortcut.norm."),
    ),
}
SWIN_NAMES: dict[str, Names] = {
    # transformers renamed the parts in memory (5.x), but not in its files.
    "transformers": SwinNames(
        ("embeddings.patch_embeddings.projection.", "embeddings.norm."),
        "encoder.layers.{m}.blocks.{n}.",
        {
            "layernorm_before.": "layernorm_before.",
            "attention.q_proj.": "attention.self.query.",
            "attention.k_proj.": "attention.self.key.",
            "attention.v_proj.": "attention.self.value.",
            "attention.relative_position_bias.": "attention.self.",
            "attention.o_proj.": "attention.output.dense.",
            "layernorm_after.": "layernorm_after.",
            "mlp.fc1.": "intermediate.dense.",
            "mlp.fc2.": "output.dense.",
        },
        "encoder.layers.{m}.downsample.",
        "hidden_states_norms.stage{m1}.",
    ),
    "microsoft": SwinNames(
        ("patch_embed.proj.", "patch_embed.norm."),
        "layers.{m}.blocks.{n}.",
        _MICROSOFT_BLOCK,
        "layers.{m}.downsample.",
        "norm{m}.",
    ),
    "timm": SwinNames(
        ("patch_embed.proj.", "patch_embed.norm."),
        "layers.{m}.blocks.{n}.",
        _MICROSOFT_BLOCK,
        "layers.{m1}.downsample.",
    ),
    "torchvision": SwinNames(
        ("features.0.0.", "features.0.2."),
        "features.{b}.{n}.",
        {**_MICROSOFT_BLOCK, "mlp.fc1.": "mlp.0.", "mlp.fc2.": "mlp.3."},
        "features.{d}.",
    ),
    "mmdetection": SwinNames(
        ("patch_embed.projection.", "patch_embed.norm."),
        "stages.{m}.blocks.{n}.",
        {
            **{ours: theirs.replace("attn.", "attn.w_msa.") for ours, theirs in _MICROSOFT_BLOCK.items()},
            "mlp.fc1.": "ffn.layers.0.0.",
            "mlp.fc2.": "ffn.layers.1.",
        },
        "stages.{m}.downsample.",
        "norm{m}.",
        unfolded=True,
    ),
}
CONVNEXT_NAMES: dict[str, Names] = {
    "transformers": ConvNeXtNames(
        ("embeddings.patch_embeddings.", "embeddings.layernorm."),
        "encoder.stages.{m}.downsampling_layer.",
        "encoder.stages.{m}.layers.{n}.",
        {
            **_FACEBOOK_BLOCK,
            "norm.": "layernorm.",
            "scale": "layer_scale_parameter",
            "response.weight": "grn.weight",
            "response.bias": "grn.bias",
        },
    ),
    "facebook": ConvNeXtNames(
        ("downsample_layers.0.0.", "downsample_layers.0.1."),
        "downsample_layers.{m}.",
        "stages.{m}.{n}.",
        _FACEBOOK_BLOCK,
    ),
    "timm": ConvNeXtNames(
        ("stem.0.", "stem.1."),
        "stages.{m}.downsample.",
        "stages.{m}.blocks.{n}.",
        {
            **_FACEBOOK_BLOCK,
            "depthwise.": "conv_dw.",
            "expand.": "mlp.fc1.",
            "project.": "mlp.fc2.",
            "response.weight": "mlp.grn.weight",
            "response.bias": "mlp.grn.bias",
        },
    ),
    "torchvision": ConvNeXtNames(
        ("features.0.0.", "features.0.1."),
        "features.{d}.",
        "features.{b}.{n}.",
        {
            "depthwise.": "block.0.",
            "norm.": "block.2.",
            "expand.": "block.3.",
            "project.": "block.5.",
            "scale": "layer_scale",
        },
    ),
}
PYRAMID_NAMES: dict[type[nn.Module], dict[str, Names]] = {
    ResNet: RESNET_NAMES,
    Swin: SWIN_NAMES,
    ConvNeXt: CONVNEXT_NAMES,
}
# What stands before transformers' names in files of its classifiers.
CLASSIFIERS = {ResNet: ("resnet.",), Swin: ("swin.",), ConvNeXt: ("convnext.", "convnextv2.")}


def pyramid_pairs(backbone: nn.Module, publisher: str, ours: str = "", theirs: str = "") -> Pairs:
    """Prefixes of a backbone's tensors here and in a publisher's file; none where it published no such one.

    Args:
        backbone: a ResNet, Swin or ConvNeXt.
        publisher: a key of ``PYRAMID_NAMES``' values.
        ours: before our names.
        theirs: before those in the file.
    """
    names = PYRAMID_NAMES.get(type(backbone), {}).get(publisher)
    pairs: Pairs = iter(())
    if isinstance(backbone, ResNet) and isinstance(names, ResNetNames):
        pairs = _resnet(backbone, names)
    elif isinstance(backbone, Swin) and isinstance(names, SwinNames):
        pairs = _swin(backbone, names)
    elif isinstance(backbone, ConvNeXt) and isinstance(names, ConvNeXtNames):
        pairs = _convnext(backbone, names)
    for mine, source in pairs:
        yield ours + mine, source._replace(name=theirs + source.name)


def classifier_sources(backbone: nn.Module) -> list[dict[str, Source]]:
    """Our names → where a classifier's file has them, for each publisher."""
    state = backbone.state_dict()
    return [
        find_sources(state, pyramid_pairs(backbone, publisher, theirs=prefix))
        for publisher in PYRAMID_NAMES[type(backbone)]
        for prefix in (CLASSIFIERS[type(backbone)] if publisher == "transformers" else ("",))
    ]


def _place(template: str, m: int, n: int = 0, k: int = 0) -> str:
    """A template's name of stage m, block n and convolution k."""
    return template.format(m=m, n=n, k=k, m1=m + 1, k1=k + 1, r=m + 2, b=2 * m + 1, d=2 * m + 2)


def _resnet(backbone: ResNet, names: ResNetNames) -> Pairs:
    for kind, part in enumerate(("convolution.", "normalization.")):
        yield f"network.embedder.embedder.{part}", Source(names.stem[kind])
        for m, stage in enumerate(backbone.network.encoder.stages):
            for n, block in enumerate(stage.layers):
                ours = f"network.encoder.stages.{m}.layers.{n}"
                yield f"{ours}.shortcut.{part}", Source(_place(names.shortcut[kind], m, n))
                for k in range(len(block.layer)):
                    yield f"{ours}.layer.{k}.{part}", Source(_place(names.block[kind], m, n, k))


def _swin(backbone: Swin, names: SwinNames) -> Pairs:
    yield "network.swin.embeddings.patch_embeddings.projection.", Source(names.stem[0])
    yield "network.swin.embeddings.norm.", Source(names.stem[1])
    for m, depth in enumerate(backbone.network.config.depths):
        ours = f"network.swin.encoder.layers.{m}."
        for n in range(depth):
            yield from pair_rows(f"{ours}blocks.{n}.", _place(names.block, m, n), names.parts.items())
        merge = unfold_columns if names.unfolded else None
        yield f"{ours}downsample.", Source(_place(names.downsample, m), merge)
        if names.norm:
            yield f"network.hidden_states_norms.stage{m + 1}.", Source(_place(names.norm, m))


def _convnext(backbone: ConvNeXt, names: ConvNeXtNames) -> Pairs:
    yield "stem.0.", Source(names.stem[0])
    yield "stem.1.", Source(names.stem[1])
    behind = 0 if "{d}" in names.downsample else 1  # torchvision counts it after a stage, others in the next
    for m, stage in enumerate(backbone.stages):
        yield f"downsamples.{m}.", Source(_place(names.downsample, m + behind))
        for n in range(len(list(stage.children()))):
            yield from pair_rows(f"stages.{m}.{n}.", _place(names.block, m, n), names.parts.items())


def unfold_columns(x: Tensor) -> Tensor:
    """mmdetection's merging of 2×2 patches → Microsoft's: columns go by patch, down before right, then by
    channel; there by channel, then by patch, right before down, as ``nn.Unfold`` has them."""
    if not x.dim() or x.shape[-1] % 4:
        return x
    return x.unflatten(-1, (-1, 2, 2)).transpose(-1, -2).movedim(-3, -1).flatten(-3)
