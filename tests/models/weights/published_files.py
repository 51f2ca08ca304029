"""What published video models hold, stood in for by random tensors under the public names and shapes."""

from __future__ import annotations

import torch
from torch import Tensor

CLASSES = 3


def linear(name: str, out: int, into: int) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.randn(out, into), f"{name}.bias": torch.randn(out)}


def convolution(name: str, out: int, into: int, kernel: int) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.randn(out, into, kernel, kernel), f"{name}.bias": torch.randn(out)}


def norm(name: str, channels: int) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.randn(channels), f"{name}.bias": torch.randn(channels)}


def attention(name: str, dim: int) -> dict[str, Tensor]:
    """``nn.MultiheadAttention``'s."""
    return {
        f"{name}.in_proj_weight": torch.randn(3 * dim, dim),
        f"{name}.in_proj_bias": torch.randn(3 * dim),
        **linear(f"{name}.out_proj", dim, dim),
    }


def mlp(name: str, *widths: int) -> dict[str, Tensor]:
    layers = {}
    for n, (into, out) in enumerate(zip(widths, widths[1:])):
        layers.update(linear(f"{name}.layers.{n}", out, into))
    return layers


def dvis_tracker(dim: int, hidden: int, layers: int) -> dict[str, Tensor]:
    """``ReferringTracker_noiser`` of zhang-tao-whu/DVIS_Plus."""
    state = {}
    for n in range(layers):
        state.update(attention(f"tracker.transformer_self_attention_layers.{n}.self_attn", dim))
        state.update(norm(f"tracker.transformer_self_attention_layers.{n}.norm", dim))
        state.update(attention(f"tracker.transformer_cross_attention_layers.{n}.multihead_attn", dim))
        state.update(norm(f"tracker.transformer_cross_attention_layers.{n}.norm", dim))
        state.update(linear(f"tracker.transformer_ffn_layers.{n}.linear1", hidden, dim))
        state.update(linear(f"tracker.transformer_ffn_layers.{n}.linear2", dim, hidden))
        state.update(norm(f"tracker.transformer_ffn_layers.{n}.norm", dim))
    state.update(norm("tracker.decoder_norm", dim))
    state.update(linear("tracker.class_embed", CLASSES + 1, 2 * dim))
    state.update(mlp("tracker.mask_embed", dim, dim, dim, dim))
    state.update(mlp("tracker.ref_proj", dim, dim, dim, dim))
    state.update(convolution("tracker.mask_feature_proj", dim, dim, 1))
    return state


def deformable(name: str, dim: int, heads: int) -> dict[str, Tensor]:
    samples = heads * 4 * 4  # four maps, four points
    return {
        **linear(f"{name}.sampling_offsets", 2 * samples, dim),
        **linear(f"{name}.attention_weights", samples, dim),
        **linear(f"{name}.value_proj", dim, dim),
        **linear(f"{name}.output_proj", dim, dim),
        **linear(f"{name}.output_proj_box", dim, dim),
    }


def frozen_conv(conv: str, bn: str, out: int, into: int, kernel: int) -> dict[str, Tensor]:
    return {
        f"{conv}.weight": torch.randn(out, into, kernel, kernel),
        **norm(bn, out),
        f"{bn}.running_mean": torch.randn(out),
        f"{bn}.running_var": torch.rand(out) + 0.5,
    }


def small_resnet(prefix: str) -> dict[str, Tensor]:
    """torchvision's names of a ResNet of basic blocks, one a stage, 16 to 128 channels wide."""
    state = frozen_conv(f"{prefix}conv1", f"{prefix}bn1", 16, 3, 7)
    into = 16
    for m, out in enumerate((16, 32, 64, 128), start=1):
        block = f"{prefix}layer{m}.0"
        state.update(frozen_conv(f"{block}.conv1", f"{block}.bn1", out, into, 3))
        state.update(frozen_conv(f"{block}.conv2", f"{block}.bn2", out, out, 3))
        if into != out:
            state.update(frozen_conv(f"{block}.downsample.0", f"{block}.downsample.1", out, into, 1))
        into = out
    return state


def seqformer(
    dim: int, heads: int, hidden: int, queries: int, encoder_layers: int, decoder_layers: int
) -> dict[str, Tensor]:
    """wjf5203/SeqFormer, on the small ResNet."""
    state = small_resnet("detr.backbone.0.body.")
    for n, (into, kernel) in enumerate(((32, 1), (64, 1), (128, 1), (128, 3))):
        state.update(convolution(f"detr.input_proj.{n}.0", dim, into, kernel))
        state.update(norm(f"detr.input_proj.{n}.1", dim))
    state["detr.query_embed.weight"] = torch.randn(queries, 2 * dim)
    state["detr.transformer.level_embed"] = torch.randn(4, dim)
    state.update(linear("detr.transformer.reference_points", 2, dim))
    for n in range(encoder_layers):
        layer = f"detr.transformer.encoder.layers.{n}"
        state.update(deformable(f"{layer}.self_attn", dim, heads))
        state.update(linear(f"{layer}.linear1", hidden, dim))
        state.update(linear(f"{layer}.linear2", dim, hidden))
        for k in (1, 2):
            state.update(norm(f"{layer}.norm{k}", dim))
    for n in range(decoder_layers):
        layer = f"detr.transformer.decoder.layers.{n}"
        state.update(deformable(f"{layer}.cross_attn", dim, heads))
        for box in ("", "_box"):
            state.update(attention(f"{layer}.self_attn{box}", dim))
            state.update(linear(f"{layer}.linear1{box}", hidden, dim))
            state.update(linear(f"{layer}.linear2{box}", dim, hidden))
            for k in (1, 2, 3):
                state.update(norm(f"{layer}.norm{k}{box}", dim))
        state.update(linear(f"{layer}.time_attention_weights", 1, dim))
        state.update(linear(f"detr.class_embed.{n}", CLASSES, dim))
        boxes = mlp(f"detr.bbox_embed.{n}", dim, dim, dim, 4)
        state.update(boxes)
        state.update({name.replace("detr.", "detr.transformer.decoder."): x for name, x in boxes.items()})
    state.update(mlp("controller", dim, dim, dim, 169))
    for name, out, into in (
        ("lay1", dim // 4, dim),
        ("lay2", 8, dim // 4),
        ("lay3", dim, dim),
        ("lay4", dim, dim),
        ("dcn", dim, dim),
    ):
        state.update(convolution(f"mask_head.{name}", out, into, 3))
    return state
