"""kMaX-DeepLab's public names and shapes with random tensors, and its equations (Yu et al., ECCV 2022)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

HEADS, EPSILON = 8, 1e-3
LAYER = "sem_seg_head.predictor._kmax_transformer_layers.{}."


def norm(name: str, channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.randn(channels) * 0.05,  # over deviations of 0.03 to 0.1
        f"{name}.bias": torch.randn(channels) * 0.5,
        f"{name}.running_mean": torch.randn(channels) * 0.1,
        f"{name}.running_var": torch.rand(channels) * 0.01,  # near the epsilon, which then matters
        f"{name}.num_batches_tracked": torch.tensor(3),
    }


def conv_norm(name: str, out: int, into: int, *kernel: int) -> dict[str, Tensor]:
    """A convolution with a norm; one dimension for queries, two for pixels."""
    return {f"{name}.conv.weight": torch.randn(out, into, *kernel) * into**-0.5, **norm(f"{name}.norm", out)}


def predictor(name: str, pixels: int, dim: int, kernels: int, classes: int) -> dict[str, Tensor]:
    return {
        **conv_norm(f"{name}._pixel_space_head_conv0bnact", pixels, 1, 5, 5),
        **conv_norm(f"{name}._pixel_space_head_conv1bnact", dim, pixels, 1, 1),
        **conv_norm(f"{name}._pixel_space_head_last_convbn", kernels, dim, 1, 1),
        f"{name}._pixel_space_head_last_convbn.conv.bias": torch.randn(kernels),
        **conv_norm(f"{name}._transformer_mask_head", kernels, dim, 1),
        f"{name}._transformer_class_head.conv.weight": torch.randn(classes + 1, dim, 1),
        f"{name}._transformer_class_head.conv.bias": torch.randn(classes + 1),
        **norm(f"{name}._pixel_space_mask_batch_norm", 1),
    }


def decoder(pixels: tuple[int, ...], dim: int, kernels: int, hidden: int, queries: int, classes: int) -> dict:
    """One layer a stride; ``pixels`` are the pixel decoder's channels at strides 32, 16, 8 and 4."""
    head = "sem_seg_head.predictor."
    state = {f"{head}_cluster_centers.weight": torch.randn(dim, queries)}
    for n, channels in enumerate(pixels[:-1]):
        layer = LAYER.format(n)
        state.update(conv_norm(f"{layer}_pixel_conv1_bn_act", dim, channels, 1, 1))
        state.update(conv_norm(f"{layer}_query_conv1_bn_act", dim, dim, 1))
        state.update(conv_norm(f"{layer}_pixel_v_conv_bn", dim, dim, 1, 1))
        state.update(conv_norm(f"{layer}_query_qkv_conv_bn", 2 * dim, dim, 1))
        state.update(norm(f"{layer}_query_self_attention._batch_norm_similarity", HEADS))
        state.update(norm(f"{layer}_query_self_attention._batch_norm_retrieved_value", dim))
        state.update(norm(f"{layer}_kmeans_query_batch_norm_retrieved_value", dim))
        state.update(conv_norm(f"{layer}_kmeans_query_conv3_bn", dim, dim, 1))
        state.update(conv_norm(f"{layer}_query_conv3_bn", dim, dim, 1))
        state.update(conv_norm(f"{layer}_query_ffn_conv1_bn_act", hidden, dim, 1))
        state.update(conv_norm(f"{layer}_query_ffn_conv2_bn", dim, hidden, 1))
        state.update(predictor(f"{layer}_predcitor", dim, dim, kernels, classes))
    for part in ("_class_embedding_projection", "_mask_embedding_projection"):
        state.update(conv_norm(head + part, dim, dim, 1))
    return {**state, **predictor(f"{head}_predcitor", pixels[-1], dim, kernels, classes)}


def pixel_decoder(inputs: tuple[int, ...], filters: tuple[int, ...]) -> dict[str, Tensor]:
    """One block a stride from the coarsest on; the first two attend along the axes, whose tensors are left
    out."""
    head, state = "sem_seg_head.pixel_decoder.", {}
    for stage, (channels, width) in enumerate(zip(inputs, filters)):
        state[f"{head}_in_norms.{stage}.weight"] = torch.randn(channels)
        state[f"{head}_in_norms.{stage}.bias"] = torch.randn(channels)
        block = f"{head}_stages.{stage}._blocks.0."
        into, axial = width if stage else channels, stage < 2
        inner = 2 * width if axial else width
        state.update(conv_norm(f"{block}_conv1_bn_act", inner, into, 1, 1))
        if not axial:
            state.update(conv_norm(f"{block}_conv2_bn_act", width, width, 3, 3))
        state.update(conv_norm(f"{block}_conv3_bn", 4 * width, inner, 1, 1))
        if into != 4 * width:
            state.update(conv_norm(f"{block}_shortcut", 4 * width, into, 1, 1))
        if stage:
            fuse = f"{head}_resized_fuses.{stage - 1}."
            state.update(conv_norm(f"{fuse}_conv_bn_low", width, 4 * filters[stage - 1], 1, 1))
            state.update(conv_norm(f"{fuse}_conv_bn_high", width, channels, 1, 1))
    return state


class Reference:
    """kMaX's equations on the tensors of a file."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    def norm(self, name: str, x: Tensor) -> Tensor:
        parts = (self.tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts, eps=EPSILON)

    def conv(self, name: str, x: Tensor, gelu: bool = False, groups: int = 1, norm: bool = True) -> Tensor:
        weight, bias = (self.tensors.get(f"{name}.conv.{part}") for part in ("weight", "bias"))
        assert weight is not None
        run = F.conv1d if weight.dim() == 3 else F.conv2d
        x = run(x, weight, bias, padding=weight.shape[-1] // 2, groups=groups)
        x = self.norm(f"{name}.norm", x) if norm else x
        return F.gelu(x) if gelu else x

    def predict(self, name: str, pixels: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, N, C + 1) and mask logits (B, N, H·W); the latter normed over all."""
        x = self.conv(f"{name}_pixel_space_head_conv0bnact", pixels, True, groups=pixels.shape[1])
        x = self.conv(f"{name}_pixel_space_head_conv1bnact", x, True)
        x = F.normalize(self.conv(f"{name}_pixel_space_head_last_convbn", x), dim=1)
        kernels = self.conv(f"{name}_transformer_mask_head", queries)
        masks = torch.einsum("bcm,bcn->bnm", x.flatten(2), kernels)
        masks = self.norm(f"{name}_pixel_space_mask_batch_norm", masks[:, None])[:, 0]
        classes = self.conv(f"{name}_transformer_class_head", queries, norm=False).transpose(1, 2)
        prior = torch.zeros(classes.shape[-1])
        prior[-1] = math.log((classes.shape[-1] - 1) * 0.9 / 0.1)
        return classes + prior, masks

    def run_layer(self, n: int, pixels: Tensor, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, D, N) after a layer, and the class and mask logits of those before it."""
        layer = LAYER.format(n)
        space = self.conv(f"{layer}_pixel_conv1_bn_act", F.gelu(pixels), True)
        query = self.conv(f"{layer}_query_conv1_bn_act", queries, True)
        classes, masks = self.predict(f"{layer}_predcitor.", space, query)
        nearest = F.one_hot(masks.argmax(dim=1), masks.shape[1]).to(masks)  # (B, M, N)
        update = self.conv(f"{layer}_pixel_v_conv_bn", space).flatten(2) @ nearest
        update = self.norm(f"{layer}_kmeans_query_batch_norm_retrieved_value", update)
        queries = queries + self.conv(f"{layer}_kmeans_query_conv3_bn", update)
        batch, dim, count = queries.shape
        qkv = self.conv(f"{layer}_query_qkv_conv_bn", query).split([dim // 2, dim // 2, dim], dim=1)
        q, k, v = (x.reshape(batch, HEADS, -1, count) for x in qkv)
        logits = self.norm(f"{layer}_query_self_attention._batch_norm_similarity", q.transpose(2, 3) @ k)
        found = (v @ logits.softmax(dim=-1).transpose(2, 3)).reshape(batch, dim, count)
        found = F.gelu(self.norm(f"{layer}_query_self_attention._batch_norm_retrieved_value", found))
        queries = F.gelu(queries + self.conv(f"{layer}_query_conv3_bn", found))
        hidden = self.conv(f"{layer}_query_ffn_conv1_bn_act", queries, True)
        return F.gelu(queries + self.conv(f"{layer}_query_ffn_conv2_bn", hidden)), classes, masks
