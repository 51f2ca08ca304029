"""Names of tensors in kMaX-DeepLab's published files (bytedance/kmax-deeplab), and ours, by prefixes.

All but the axial attention of its pixel decoder has a place in MaXTron-VPS, whose attention has other
positions. ``fold_constants`` moves into the weights what kMaX computes beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mobilevis.models.maxtron.maxtron_vps import MaXTronVps
from mobilevis.models.weights.pyramid_names import pyramid_pairs
from mobilevis.models.weights.sources import Pairs, Source, find_sources, pair_rows

_PIXELS, _QUERIES = "sem_seg_head.pixel_decoder.", "sem_seg_head.predictor."
MARK = f"{_QUERIES}_cluster_centers.weight"
BLOCK = {
    "reduce.": "_conv1_bn_act.",
    "mix.": "_conv2_bn_act.",
    "expand.": "_conv3_bn.",
    "shortcut.": "_shortcut.",
}
PREDICTOR = {
    "pixel_head.0.": "_pixel_space_head_conv0bnact.",
    "pixel_head.1.": "_pixel_space_head_conv1bnact.",
    "pixel_head.2.": "_pixel_space_head_last_convbn.",
    "kernel_head.": "_transformer_mask_head.",
    "class_head.": "_transformer_class_head.conv.",
    "mask_norm.": "_pixel_space_mask_batch_norm.",
}
LAYER = {
    "pixel_input.": "_pixel_conv1_bn_act.",
    "query_input.": "_query_conv1_bn_act.",
    "pixel_value.": "_pixel_v_conv_bn.",
    "centre_norm.": "_kmeans_query_batch_norm_retrieved_value.",
    "centre_out.": "_kmeans_query_conv3_bn.",
    "query_key_value.": "_query_qkv_conv_bn.",
    "attention_norm.": "_query_self_attention._batch_norm_retrieved_value.",
    "attention_out.": "_query_conv3_bn.",
    "feed_forward.0.": "_query_ffn_conv1_bn_act.",
    "feed_forward.1.": "_query_ffn_conv2_bn.",
    **{f"predictor.{ours}": f"_predcitor.{theirs}" for ours, theirs in PREDICTOR.items()},  # so spelt there
}
DECODER = {
    "queries": "_cluster_centers.weight",
    "class_embedding.": "_class_embedding_projection.",
    "kernel_embedding.": "_mask_embedding_projection.",
    **{f"predictor.{ours}": f"_predcitor.{theirs}" for ours, theirs in PREDICTOR.items()},
}
EPSILON, OURS = 1e-3, 1e-5  # of batch norms
VOID_ODDS = 9.0  # a query is "no object" with nine in ten at first: added to its logit beside the bias
HEADS = 8  # of the queries' self-attention
_SIMILARITY = "_query_self_attention._batch_norm_similarity."


def kmax_sources(model: MaXTronVps) -> dict[str, Source]:
    """Our name of each tensor → where kMaX-DeepLab's file has it."""
    return find_sources(model.state_dict(), _pairs(model))


def _pairs(model: MaXTronVps) -> Pairs:
    for publisher in ("detectron2", "facebook"):
        yield from pyramid_pairs(model.backbone, publisher, "backbone.", "backbone.")
    yield "pixel_decoder.norms.", Source(f"{_PIXELS}_in_norms.")
    for stage, blocks in enumerate(model.config.pixel_blocks):
        for n in range(blocks):
            theirs = f"{_PIXELS}_stages.{stage}._blocks.{n}."
            yield from pair_rows(f"pixel_decoder.stages.{stage}.{n}.", theirs, BLOCK.items())
        if stage:
            theirs = f"{_PIXELS}_resized_fuses.{stage - 1}."
            yield f"pixel_decoder.lower.{stage - 1}.", Source(f"{theirs}_conv_bn_low.")
            yield f"pixel_decoder.laterals.{stage - 1}.", Source(f"{theirs}_conv_bn_high.")
    yield from pair_rows("decoder.", _QUERIES, DECODER.items())
    for n in range(sum(model.config.decoder_layers)):
        theirs = f"{_QUERIES}_kmax_transformer_layers.{n}."
        yield from pair_rows(f"decoder.layers.{n}.", theirs, LAYER.items())


def fold_constants(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors for modules like ours, which give the same in evaluation.

    Batch norms have another epsilon: it goes into the variance. The bias before one goes into its mean, the
    prior of "no object" into the class head's bias, and the norm of the self-attention's similarities, of
    which a softmax sees the scale alone, into the norm of the queries. What has not the shapes for it stays.
    """
    found = {
        name: x + (EPSILON - OURS) if name.endswith(".running_var") else x for name, x in tensors.items()
    }
    for name in tensors:
        if name.endswith("_transformer_class_head.conv.bias"):
            _add_prior(found, name)
        elif name.endswith("_pixel_space_head_last_convbn.conv.bias"):
            _fold_bias(found, name, name.replace("conv.bias", "norm.running_mean"))
        elif name.endswith(f"{_SIMILARITY}weight"):
            _fold_similarity(found, name.removesuffix(f"{_SIMILARITY}weight"))
    return found


def _add_prior(found: dict[str, Tensor], name: str) -> None:
    bias = found[name]
    if bias.dim() == 1 and len(bias) > 1:
        found[name] = torch.cat([bias[:-1], bias[-1:] + math.log(VOID_ODDS * (len(bias) - 1))])


def _fold_bias(found: dict[str, Tensor], bias: str, mean: str) -> None:
    if mean in found and found[mean].shape == found[bias].shape:
        found[mean] = found[mean] - found.pop(bias)


def _fold_similarity(found: dict[str, Tensor], layer: str) -> None:
    norm = f"{layer}_query_qkv_conv_bn.norm."
    names = (
        f"{layer}{_SIMILARITY}weight",
        f"{layer}{_SIMILARITY}running_var",
        f"{norm}weight",
        f"{norm}bias",
    )
    if not all(name in found and found[name].dim() == 1 for name in names):
        return
    weight, variance, *affine = (found[name] for name in names)
    keys = len(affine[0]) // 4  # queries and keys have half as many channels as values
    if {len(weight), len(variance)} != {HEADS} or {len(x) for x in affine} != {4 * keys} or keys % HEADS:
        return
    scale = weight * torch.rsqrt(variance + OURS) * math.sqrt(keys / HEADS)
    for name, x in zip(names[2:], affine):
        found[name] = torch.cat([x[:keys] * scale.repeat_interleave(keys // HEADS), x[keys:]])
    for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        found.pop(f"{layer}{_SIMILARITY}{part}", None)
