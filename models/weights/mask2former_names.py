"""Names of tensors in the files of published Mask2Formers, and ours: prefixes, whose rest is the same.

A row has ours, transformers' (what ``save_pretrained`` writes), detectron2's (Mask2Former's own code, MinVIS,
DVIS++) and mmdetection's. ``{n}`` counts layers from 0; thirds are as in ``sources``. The names are those of
transformers' ``models/mask2former``, facebookresearch/Mask2Former, zhang-tao-whu/DVIS_Plus
(``dvis_Plus/tracker.py``) and open-mmlab/mmdetection 3 (``dense_heads/mask2former_head.py``,
``layers/msdeformattn_pixel_decoder.py``), whose version 2 counts the parts of layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from mobilevis.models.weights.pyramid_names import pyramid_pairs
from mobilevis.models.weights.sources import Pairs, Source, find_sources, parse_source

HUGGING_FACE, DETECTRON2, MMDETECTION = range(3)  # columns of the tables, less ours
# Tensors of which one tells the kinds of files apart, and from all others.
MARKS = (
    ("model.transformer_module.queries_features.weight",),
    ("sem_seg_head.predictor.query_feat.weight", "sem_seg_head.predictor.static_query.weight"),
    ("panoptic_head.query_feat.weight",),
)
# Part of a name in earlier versions → today's: Mask2Former's own, then mmdetection's, in this order.
RENAMED = {
    "predictor.static_query.": "predictor.query_feat.",
    "pixel_decoder.encoder.layers.{n}.attentions.0.": "pixel_decoder.encoder.layers.{n}.self_attn.",
    "transformer_decoder.layers.{n}.attentions.0.": "transformer_decoder.layers.{n}.cross_attn.",
    "transformer_decoder.layers.{n}.attentions.1.": "transformer_decoder.layers.{n}.self_attn.",
    ".layers.{n}.ffns.0.": ".layers.{n}.ffn.",
}

Row = tuple[str, str, str, str]

PIXELS = (
    "model.pixel_level_module.decoder.",
    "sem_seg_head.pixel_decoder.",
    "panoptic_head.pixel_decoder.",
)
PIXEL_DECODER: tuple[Row, ...] = (
    ("level_embeddings", "level_embed", "transformer.level_embed", "level_encoding.weight"),
    ("lateral.0.", "adapter_1.0.", "adapter_1.", "lateral_convs.0.conv."),
    ("lateral.1.", "adapter_1.1.", "adapter_1.norm.", "lateral_convs.0.gn."),
    ("output.0.", "layer_1.0.", "layer_1.", "output_convs.0.conv."),
    ("output.1.", "layer_1.1.", "layer_1.norm.", "output_convs.0.gn."),
    ("mask_features.", "mask_projection.", "mask_features.", "mask_feature."),
)
PIXEL_INPUT: tuple[Row, ...] = (  # of each of the three levels, the coarsest first
    ("inputs.{n}.0.", "input_projections.{n}.0.", "input_proj.{n}.0.", "input_convs.{n}.conv."),
    ("inputs.{n}.1.", "input_projections.{n}.1.", "input_proj.{n}.1.", "input_convs.{n}.gn."),
)
ENCODER = (
    PIXELS[HUGGING_FACE] + "encoder.layers.{n}.",
    PIXELS[DETECTRON2] + "transformer.encoder.layers.{n}.",
    PIXELS[MMDETECTION] + "encoder.layers.{n}.",
)
PIXEL_DECODER_LAYER: tuple[Row, ...] = (
    ("attention.sampling.offsets.", *3 * ("self_attn.sampling_offsets.",)),
    ("attention.sampling.weights.", *3 * ("self_attn.attention_weights.",)),
    ("attention.value.", *3 * ("self_attn.value_proj.",)),
    ("attention.out.", *3 * ("self_attn.output_proj.",)),
    ("attention_norm.", "self_attn_layer_norm.", "norm1.", "norms.0."),
    ("feed_forward.0.", "fc1.", "linear1.", "ffn.layers.0.0."),
    ("feed_forward.2.", "fc2.", "linear2.", "ffn.layers.1."),
    ("norm.", "final_layer_norm.", "norm2.", "norms.1."),
)
_EMBEDDER = "decoder.mask_predictor.mask_embedder."
QUERIES = ("model.transformer_module.", "sem_seg_head.predictor.", "panoptic_head.")
DECODER: tuple[Row, ...] = (
    ("queries", "queries_features.weight", "query_feat.weight", "query_feat.weight"),
    ("positions", "queries_embedder.weight", "query_embed.weight", "query_embed.weight"),
    ("level_embeddings", "level_embed.weight", "level_embed.weight", "level_embed.weight"),
    ("norm.", "decoder.layernorm.", "decoder_norm.", "transformer_decoder.post_norm."),
    ("kernel_head.0.", _EMBEDDER + "0.0.", "mask_embed.layers.0.", "mask_embed.0."),
    ("kernel_head.2.", _EMBEDDER + "1.0.", "mask_embed.layers.1.", "mask_embed.2."),
    ("kernel_head.4.", _EMBEDDER + "2.0.", "mask_embed.layers.2.", "mask_embed.4."),
)
CLASS_HEAD: tuple[Row, ...] = (
    (
        "decoder.class_head.",
        "class_predictor.",
        "sem_seg_head.predictor.class_embed.",
        "panoptic_head.cls_embed.",
    ),
)
LAYERS = (
    QUERIES[HUGGING_FACE] + "decoder.layers.{n}.",
    QUERIES[DETECTRON2],
    QUERIES[MMDETECTION] + "transformer_decoder.layers.{n}.",
)
_CROSS, _SELF = "transformer_cross_attention_layers.{n}.", "transformer_self_attention_layers.{n}."
_FEED_FORWARD = "transformer_ffn_layers.{n}."
_IN, _OUT = "cross_attn.attn.in_proj_", "self_attn.attn.in_proj_"
DECODER_LAYER: tuple[Row, ...] = (
    ("cross_attention.query.", "cross_attn.in_proj_[0]", _CROSS + "multihead_attn.in_proj_[0]", _IN + "[0]"),
    ("cross_attention.key.", "cross_attn.in_proj_[1]", _CROSS + "multihead_attn.in_proj_[1]", _IN + "[1]"),
    ("cross_attention.value.", "cross_attn.in_proj_[2]", _CROSS + "multihead_attn.in_proj_[2]", _IN + "[2]"),
    (
        "cross_attention.out.",
        "cross_attn.out_proj.",
        _CROSS + "multihead_attn.out_proj.",
        "cross_attn.attn.out_proj.",
    ),
    ("cross_norm.", "cross_attn_layer_norm.", _CROSS + "norm.", "norms.0."),
    ("self_attention.query.", "self_attn.q_proj.", _SELF + "self_attn.in_proj_[0]", _OUT + "[0]"),
    ("self_attention.key.", "self_attn.k_proj.", _SELF + "self_attn.in_proj_[1]", _OUT + "[1]"),
    ("self_attention.value.", "self_attn.v_proj.", _SELF + "self_attn.in_proj_[2]", _OUT + "[2]"),
    ("self_attention.out.", "self_attn.out_proj.", _SELF + "self_attn.out_proj.", "self_attn.attn.out_proj."),
    ("self_norm.", "self_attn_layer_norm.", _SELF + "norm.", "norms.1."),
    ("feed_forward.0.", "fc1.", _FEED_FORWARD + "linear1.", "ffn.layers.0.0."),
    ("feed_forward.2.", "fc2.", _FEED_FORWARD + "linear2.", "ffn.layers.1."),
    ("norm.", "final_layer_norm.", _FEED_FORWARD + "norm.", "norms.2."),
)
# DVIS++'s tracker, whose layers are named as the decoder's.
TRACKER = {
    "norm.": "decoder_norm.",
    "class_head.": "class_embed.",
    "mask_projection.": "mask_feature_proj.",
    **{f"kernel_head.{2 * n}.": f"mask_embed.layers.{n}." for n in range(3)},
    **{f"reference_head.{2 * n}.": f"ref_proj.layers.{n}." for n in range(3)},
}
# The backbone's publisher, and what stands before its names.
BACKBONES = {
    HUGGING_FACE: (("transformers",), "model.pixel_level_module.encoder."),
    DETECTRON2: (("detectron2", "microsoft"), "backbone."),
    MMDETECTION: (("torchvision", "mmdetection"), "backbone."),
}


def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors by the names of today."""
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, new in _PATTERNS.items():
            name = pattern.sub(new, name)
        renamed[name] = tensor
    return renamed


_PATTERNS = {
    re.compile(re.escape(old).replace(r"\{n\}", r"(\d+)")): new.replace("{n}", r"\1")
    for old, new in RENAMED.items()
}


def mask2former_sources(model: nn.Module, kind: int) -> dict[str, Source]:
    """Our name of each tensor that a Mask2Former has, or a DVIS++ on it → where a file of that kind has it.

    Args:
        model: with ``backbone``, ``pixel_decoder`` and ``decoder``.
        kind: ``HUGGING_FACE``, ``DETECTRON2`` or ``MMDETECTION``.
    """
    return find_sources(model.state_dict(), _pairs(model, kind))


def _pairs(model: nn.Module, kind: int) -> Pairs:
    yield from _rows("pixel_decoder.", PIXELS[kind], PIXEL_DECODER, kind)
    for n in range(3):
        yield from _rows("pixel_decoder.", PIXELS[kind], PIXEL_INPUT, kind, n)
    for n in _layers(model, "pixel_decoder.layers"):
        yield from _rows(f"pixel_decoder.layers.{n}.", ENCODER[kind], PIXEL_DECODER_LAYER, kind, n)
    yield from _rows("decoder.", QUERIES[kind], DECODER, kind)
    yield from _rows("", "", CLASS_HEAD, kind)
    for n in _layers(model, "decoder.layers"):
        yield from _rows(f"decoder.layers.{n}.", LAYERS[kind], DECODER_LAYER, kind, n)
    if kind == DETECTRON2:
        yield from ((f"tracker.{ours}", Source(f"tracker.{theirs}")) for ours, theirs in TRACKER.items())
        for n in _layers(model, "tracker.layers"):
            yield from _rows(f"tracker.layers.{n}.", "tracker.", DECODER_LAYER, kind, n)
    publishers, prefix = BACKBONES[kind]
    for publisher in publishers:
        yield from pyramid_pairs(model.get_submodule("backbone"), publisher, "backbone.", prefix)


def _layers(model: nn.Module, part: str) -> Iterator[int]:
    """The numbers of a part's layers; none where the model lacks the part."""
    numbers = {
        name.split(".")[part.count(".") + 1] for name in model.state_dict() if name.startswith(f"{part}.")
    }
    yield from sorted(int(number) for number in numbers)


def _rows(ours: str, theirs: str, rows: tuple[Row, ...], kind: int, n: int = 0) -> Pairs:
    for mine, *official in rows:
        name = (theirs + official[kind]).replace("{n}", str(n))
        yield (ours + mine).replace("{n}", str(n)), parse_source(name)
