"""Names of tensors in SeqFormer's published files (wjf5203/SeqFormer, ``models/``), and ours, by prefixes.

The files hold the heads of boxes twice, as the decoder's too, an output projection of boxes that the encoder
never reads, and one controller, which all of our layers take. It counts offsets in pixels, ours in units of
64.
"""

from __future__ import annotations

from torch import Tensor

from mobilevis.models.seqformer.conditional_masks import CHANNELS, KERNEL_SIZE, UNIT
from mobilevis.models.seqformer.seqformer import SeqFormer
from mobilevis.models.weights.pyramid_names import pyramid_pairs
from mobilevis.models.weights.sources import Pairs, Source, find_sources, pair_rows

MARK = "detr.transformer.decoder.layers.0.time_attention_weights.weight"
_TRANSFORMER = "detr.transformer."
ATTENTION = {
    "sampling.offsets.": "sampling_offsets.",
    "sampling.weights.": "attention_weights.",
    "value.": "value_proj.",
    "out.": "output_proj.",
}
ENCODER_LAYER = {
    **{f"attention.{ours}": f"self_attn.{theirs}" for ours, theirs in ATTENTION.items()},
    "attention_residual.norm.": "norm1.",
    "feed_forward.0.": "linear1.",
    "feed_forward.2.": "linear2.",
    "residual.norm.": "norm2.",
}
DECODER_LAYER = {
    **{f"cross_attention.{ours}": f"cross_attn.{theirs}" for ours, theirs in ATTENTION.items()},
    "box_out.": "cross_attn.output_proj_box.",
    "self_attention.query.": "self_attn.in_proj_[0]",
    "self_attention.key.": "self_attn.in_proj_[1]",
    "self_attention.value.": "self_attn.in_proj_[2]",
    "self_attention.out.": "self_attn.out_proj.",
    "self_residual.norm.": "norm2.",
    "box_attention.query.": "self_attn_box.in_proj_[0]",
    "box_attention.key.": "self_attn_box.in_proj_[1]",
    "box_attention.value.": "self_attn_box.in_proj_[2]",
    "box_attention.out.": "self_attn_box.out_proj.",
    "box_self_residual.norm.": "norm2_box.",
    "box_cross_residual.norm.": "norm1_box.",
    "box_feed_forward.0.": "linear1_box.",
    "box_feed_forward.2.": "linear2_box.",
    "box_residual.norm.": "norm3_box.",
    "frame_weight.": "time_attention_weights.",
    "cross_residual.norm.": "norm1.",
    "feed_forward.0.": "linear1.",
    "feed_forward.2.": "linear2.",
    "residual.norm.": "norm3.",
}
MASK_BRANCH = {"fuse.0.": "lay3.", "fuse.1.": "lay4.", "fuse.2.": "dcn.", "narrow.": "lay1.", "out.": "lay2."}
BOX_HEAD = {"0.0.": "layers.0.", "0.2.": "layers.1.", "2.": "layers.2."}


def seqformer_sources(model: SeqFormer) -> dict[str, Source]:
    """Our name of each tensor → where SeqFormer's published file has it, but for TAFormer's additions."""
    return find_sources(model.state_dict(), _pairs(model))


def _pairs(model: SeqFormer) -> Pairs:
    yield from pyramid_pairs(model.backbone, "torchvision", "backbone.", "detr.backbone.0.body.")
    yield "projections.", Source("detr.input_proj.")
    yield "encoder.level_embeddings", Source(f"{_TRANSFORMER}level_embed")
    for n in range(model.config.encoder_layers):
        yield from pair_rows(
            f"encoder.layers.{n}.", f"{_TRANSFORMER}encoder.layers.{n}.", ENCODER_LAYER.items()
        )
    yield from pair_rows("mask_branch.", "mask_head.", MASK_BRANCH.items())
    yield "decoder.positions", Source("detr.query_embed.weight", _first_half)
    yield "decoder.queries", Source("detr.query_embed.weight", _second_half)
    yield "decoder.reference.", Source(f"{_TRANSFORMER}reference_points.")
    for n in range(model.config.decoder_layers):
        yield from pair_rows(
            f"decoder.layers.{n}.", f"{_TRANSFORMER}decoder.layers.{n}.", DECODER_LAYER.items()
        )
        yield from pair_rows(f"decoder.box_heads.{n}.", f"detr.bbox_embed.{n}.", BOX_HEAD.items())
        yield f"class_heads.{n}.", Source(f"detr.class_embed.{n}.")
        for k, convert in enumerate((None, None, in_units)):
            yield f"controllers.{n}.{2 * k}.", Source(f"controller.layers.{k}.", convert)


def _first_half(x: Tensor) -> Tensor:
    return x[..., : x.shape[-1] // 2] if x.dim() else x


def _second_half(x: Tensor) -> Tensor:
    return x[..., x.shape[-1] // 2 :] if x.dim() else x


def in_units(x: Tensor) -> Tensor:
    """The controller's last layer (169, …) with the weights of the two offsets for our unit."""
    if not x.dim() or len(x) != KERNEL_SIZE:
        return x
    inputs, x = CHANNELS + 2, x.clone()
    for output in range(CHANNELS):
        x[output * inputs : output * inputs + 2] *= UNIT
    return x
