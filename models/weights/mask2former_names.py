"""Names of tensors in the files of published Mask2Formers, and ours: prefixes, whose rest is the same.

A row has ours, transformers' (what ``save_pretrained`` writes) and detectron2's (Mask2Former's own code,
MinVIS, DVIS++). ``{n}`` counts layers from 0; ``[0]``, ``[1]`` and ``[2]`` are the thirds of a tensor that
stacks the projections of queries, keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from torch import nn

from mobilevis.models.backbones.resnet import ResNet
from mobilevis.models.backbones.swin import Swin
from mobilevis.models.weights.official_names import SWIN_BLOCK

HUGGING_FACE, DETECTRON2 = 0, 1  # columns of the tables, less ours
# A tensor that tells the two kinds of files apart, and from all others.
MARKS = ("model.transformer_module.queries_features.weight", "sem_seg_head.predictor.query_feat.weight")

Row = tuple[str, str, str]

_HF_PIXELS, _D2_PIXELS = "model.pixel_level_module.decoder.", "sem_seg_head.pixel_decoder."
PIXEL_DECODER: tuple[Row, ...] = (
    ("inputs.", "input_projections.", "input_proj."),
    ("level_embeddings", "level_embed", "transformer.level_embed"),
    ("lateral.0.", "adapter_1.0.", "adapter_1."),
    ("lateral.1.", "adapter_1.1.", "adapter_1.norm."),
    ("output.0.", "layer_1.0.", "layer_1."),
    ("output.1.", "layer_1.1.", "layer_1.norm."),
    ("mask_features.", "mask_projection.", "mask_features."),
)
_HF_ENCODER, _D2_ENCODER = _HF_PIXELS + "encoder.layers.{n}.", _D2_PIXELS + "transformer.encoder.layers.{n}."
PIXEL_DECODER_LAYER: tuple[Row, ...] = (
    ("attention.sampling.offsets.", "self_attn.sampling_offsets.", "self_attn.sampling_offsets."),
    ("attention.sampling.weights.", "self_attn.attention_weights.", "self_attn.attention_weights."),
    ("attention.value.", "self_attn.value_proj.", "self_attn.value_proj."),
    ("attention.out.", "self_attn.output_proj.", "self_attn.output_proj."),
    ("attention_norm.", "self_attn_layer_norm.", "norm1."),
    ("feed_forward.0.", "fc1.", "linear1."),
    ("feed_forward.2.", "fc2.", "linear2."),
    ("norm.", "final_layer_norm.", "norm2."),
)
_HF_QUERIES, _D2_QUERIES = "model.transformer_module.", "sem_seg_head.predictor."
DECODER: tuple[Row, ...] = (
    ("queries", "queries_features.weight", "query_feat.weight"),
    ("positions", "queries_embedder.weight", "query_embed.weight"),
    ("level_embeddings", "level_embed.weight", "level_embed.weight"),
    ("norm.", "decoder.layernorm.", "decoder_norm."),
    ("kernel_head.0.", "decoder.mask_predictor.mask_embedder.0.0.", "mask_embed.layers.0."),
    ("kernel_head.2.", "decoder.mask_predictor.mask_embedder.1.0.", "mask_embed.layers.1."),
    ("kernel_head.4.", "decoder.mask_predictor.mask_embedder.2.0.", "mask_embed.layers.2."),
)
CLASS_HEAD: Row = ("decoder.class_head.", "class_predictor.", "sem_seg_head.predictor.class_embed.")
_CROSS, _SELF = "transformer_cross_attention_layers.{n}.", "transformer_self_attention_layers.{n}."
_FEED_FORWARD = "transformer_ffn_layers.{n}."
DECODER_LAYER: tuple[Row, ...] = (
    ("cross_attention.query.", "cross_attn.in_proj_[0]", _CROSS + "multihead_attn.in_proj_[0]"),
    ("cross_attention.key.", "cross_attn.in_proj_[1]", _CROSS + "multihead_attn.in_proj_[1]"),
    ("cross_attention.value.", "cross_attn.in_proj_[2]", _CROSS + "multihead_attn.in_proj_[2]"),
    ("cross_attention.out.", "cross_attn.out_proj.", _CROSS + "multihead_attn.out_proj."),
    ("cross_norm.", "cross_attn_layer_norm.", _CROSS + "norm."),
    ("self_attention.query.", "self_attn.q_proj.", _SELF + "self_attn.in_proj_[0]"),
    ("self_attention.key.", "self_attn.k_proj.", _SELF + "self_attn.in_proj_[1]"),
    ("self_attention.value.", "self_attn.v_proj.", _SELF + "self_attn.in_proj_[2]"),
    ("self_attention.out.", "self_attn.out_proj.", _SELF + "self_attn.out_proj."),
    ("self_norm.", "self_attn_layer_norm.", _SELF + "norm."),
    ("feed_forward.0.", "fc1.", _FEED_FORWARD + "linear1."),
    ("feed_forward.2.", "fc2.", _FEED_FORWARD + "linear2."),
    ("norm.", "final_layer_norm.", _FEED_FORWARD + "norm."),
)

_HF_BACKBONE = "model.pixel_level_module.encoder."
# transformers' backbones are ours; its Swin's blocks have other names in its files (``SWIN_BLOCK``).
RESNET_CONV = {"convolution.": "", "normalization.": "norm."}
SWIN_STEM: tuple[Row, ...] = (
    (
        "swin.embeddings.patch_embeddings.projection.",
        "embeddings.patch_embeddings.projection.",
        "patch_embed.proj.",
    ),
    ("swin.embeddings.norm.", "embeddings.norm.", "patch_embed.norm."),
)
_QKV = "attn.qkv."
DETECTRON2_SWIN_BLOCK = {
    "layernorm_before.": "norm1.",
    "attention.q_proj.": _QKV + "[0]",
    "attention.k_proj.": _QKV + "[1]",
    "attention.v_proj.": _QKV + "[2]",
    "attention.relative_position_bias.": "attn.",
    "attention.o_proj.": "attn.proj.",
    "layernorm_after.": "norm2.",
    "mlp.fc1.": "mlp.fc1.",
    "mlp.fc2.": "mlp.fc2.",
}


class Source(NamedTuple):
    """Where a tensor is in a file: its name there, and which third of its rows; None for all of them."""

    name: str
    third: Optional[int]


def mask2former_sources(model: nn.Module, kind: int) -> dict[str, Source]:
    """Our name of each tensor of backbone, pixel decoder and decoder → where a file of that kind has it.

    Args:
        model: with these three parts.
        kind: ``HUGGING_FACE`` or ``DETECTRON2``.
    """
    pairs = dict(_pairs(model, kind))
    found = {}
    for name in model.state_dict():
        prefix = max((ours for ours in pairs if name.startswith(ours)), key=len, default="")
        if prefix:
            theirs, _, third = pairs[prefix].rstrip("]").partition("[")
            found[name] = Source(theirs + name[len(prefix) :], int(third) if third else None)
    return found


def _pairs(model: nn.Module, kind: int) -> Iterator[tuple[str, str]]:
    """Prefixes of our names, and of those in the file."""
    parts = ("pixel_decoder.layers", "decoder.layers")
    encoder_layers, decoder_layers = (len(list(model.get_submodule(part).children())) for part in parts)
    pixels, encoder = ((_HF_PIXELS, _HF_ENCODER), (_D2_PIXELS, _D2_ENCODER))[kind]
    queries, decoder = ((_HF_QUERIES, _HF_QUERIES + "decoder.layers.{n}."), (_D2_QUERIES, _D2_QUERIES))[kind]
    yield from _rows("pixel_decoder.", pixels, PIXEL_DECODER, kind)
    yield from _rows("decoder.", queries, DECODER, kind)
    yield from _rows("", "", (CLASS_HEAD,), kind)
    for n in range(encoder_layers):
        yield from _rows(f"pixel_decoder.layers.{n}.", encoder, PIXEL_DECODER_LAYER, kind, n)
    for n in range(decoder_layers):
        yield from _rows(f"decoder.layers.{n}.", decoder, DECODER_LAYER, kind, n)
    backbone = model.get_submodule("backbone")
    if isinstance(backbone, ResNet):
        yield from _resnet(backbone, kind)
    elif isinstance(backbone, Swin):
        yield from _swin(backbone, kind)


def _rows(ours: str, theirs: str, rows: tuple[Row, ...], kind: int, n: int = 0) -> Iterator[tuple[str, str]]:
    for mine, *official in rows:
        yield ours + mine, (theirs + official[kind]).replace("{n}", str(n))


def _resnet(backbone: ResNet, kind: int) -> Iterator[tuple[str, str]]:
    if kind == HUGGING_FACE:
        yield "backbone.network.", _HF_BACKBONE
        return
    for mine, theirs in RESNET_CONV.items():
        yield f"backbone.network.embedder.embedder.{mine}", f"backbone.stem.conv1.{theirs}"
        for s, stage in enumerate(backbone.network.encoder.stages):
            for b, block in enumerate(stage.layers):
                ours, official = f"backbone.network.encoder.stages.{s}.layers.{b}", f"backbone.res{s + 2}.{b}"
                yield f"{ours}.shortcut.{mine}", f"{official}.shortcut.{theirs}"
                for k in range(len(block.layer)):
                    yield f"{ours}.layer.{k}.{mine}", f"{official}.conv{k + 1}.{theirs}"


def _swin(backbone: Swin, kind: int) -> Iterator[tuple[str, str]]:
    prefix = (_HF_BACKBONE, "backbone.")[kind]
    yield from _rows("backbone.network.", prefix, SWIN_STEM, kind)
    for m, depth in enumerate(backbone.network.config.depths):
        stage = (f"{prefix}encoder.layers.{m}.", f"{prefix}layers.{m}.")[kind]
        ours = f"backbone.network.swin.encoder.layers.{m}."
        yield f"{ours}downsample.", f"{stage}downsample."
        norm = (f"hidden_states_norms.stage{m + 1}.", f"norm{m}.")[kind]
        yield f"backbone.network.hidden_states_norms.stage{m + 1}.", prefix + norm
        for n in range(depth):
            block, mine = f"{stage}blocks.{n}.", f"{ours}blocks.{n}."
            if kind == HUGGING_FACE:
                yield mine, block
                yield from ((f"{mine}{name}.", f"{block}{theirs}.") for theirs, name in SWIN_BLOCK.items())
            else:
                yield from ((mine + name, block + theirs) for name, theirs in DETECTRON2_SWIN_BLOCK.items())
