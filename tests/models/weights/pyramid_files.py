"""A backbone's tensors as its other publishers name them, from the names in transformers' files.

Written apart from the tables that the importer reads.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from tests.models.weights.renaming import Renaming, rename

TORCHVISION_RESNET: Renaming = [
    (r"resnet\.embedder\.embedder\.convolution", "conv1"),
    (r"resnet\.embedder\.embedder\.normalization", "bn1"),
    (r"resnet\.encoder\.stages\.(\d)\.layers\.", r"layer<\1>."),
    (r"(layer.*)shortcut\.convolution", r"\1downsample.0"),
    (r"(layer.*)shortcut\.normalization", r"\1downsample.1"),
    (r"(layer.*)layer\.(\d)\.convolution", r"\1conv<\2>"),
    (r"(layer.*)layer\.(\d)\.normalization", r"\1bn<\2>"),
    (r"classifier\.1", "fc"),
]
MICROSOFT_SWIN: Renaming = [
    (r"swin\.embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"swin\.embeddings\.norm", "patch_embed.norm"),
    (r"swin\.encoder\.layers", "layers"),
    (r"(layers.*)attention\.self\.(relative|qkv)", r"\1attn.\2"),
    (r"(layers.*)attention\.output\.dense", r"\1attn.proj"),
    (r"(layers.*)intermediate\.dense", r"\1mlp.fc1"),
    (r"(layers.*)output\.dense", r"\1mlp.fc2"),
    (r"(layers.*)layernorm_before", r"\1norm1"),
    (r"(layers.*)layernorm_after", r"\1norm2"),
    (r"swin\.layernorm", "norm"),
    (r"classifier", "head"),
]
TIMM_SWIN: Renaming = [*MICROSOFT_SWIN, (r"layers\.(\d)\.downsample", r"layers.<\1>.downsample")]
TORCHVISION_SWIN: Renaming = [
    *MICROSOFT_SWIN,
    (r"patch_embed\.proj", "features.0.0"),
    (r"patch_embed\.norm", "features.0.2"),
    (r"layers\.0\.downsample", "features.2"),
    (r"layers\.1\.downsample", "features.4"),
    (r"layers\.2\.downsample", "features.6"),
    (r"layers\.0\.blocks", "features.1"),
    (r"layers\.1\.blocks", "features.3"),
    (r"layers\.2\.blocks", "features.5"),
    (r"layers\.3\.blocks", "features.7"),
    (r"(features.*)mlp\.fc1", r"\1mlp.0"),
    (r"(features.*)mlp\.fc2", r"\1mlp.3"),
]
MMDETECTION_SWIN: Renaming = [
    *MICROSOFT_SWIN,
    (r"patch_embed\.proj", "patch_embed.projection"),
    (r"layers\.", "stages."),
    (r"(stages.*)attn\.", r"\1attn.w_msa."),
    (r"(stages.*)mlp\.fc1", r"\1ffn.layers.0.0"),
    (r"(stages.*)mlp\.fc2", r"\1ffn.layers.1"),
]
FACEBOOK_CONVNEXT: Renaming = [
    (r"convnext(v2)?\.embeddings\.patch_embeddings", "downsample_layers.0.0"),
    (r"convnext(v2)?\.embeddings\.layernorm", "downsample_layers.0.1"),
    (r"convnext(v2)?\.encoder\.stages\.(\d)\.downsampling_layer", r"downsample_layers.\2"),
    (r"convnext(v2)?\.encoder\.stages\.(\d)\.layers", r"stages.\2"),
    (r"(stages.*)layernorm", r"\1norm"),
    (r"(stages.*)layer_scale_parameter", r"\1gamma"),
    (r"(stages.*)grn\.weight", r"\1grn.gamma"),
    (r"(stages.*)grn\.bias", r"\1grn.beta"),
    (r"convnext(v2)?\.layernorm", "norm"),
    (r"classifier", "head"),
]
TIMM_CONVNEXT: Renaming = [
    *FACEBOOK_CONVNEXT,
    (r"downsample_layers\.0\.", "stem."),
    (r"downsample_layers\.(\d)", r"stages.\1.downsample"),
    (r"stages\.(\d)\.(\d)", r"stages.\1.blocks.\2"),
    (r"(stages.*)dwconv", r"\1conv_dw"),
    (r"(stages.*)pwconv", r"\1mlp.fc"),
    (r"(stages.*)grn\.gamma", r"\1mlp.grn.weight"),
    (r"(stages.*)grn\.beta", r"\1mlp.grn.bias"),
    (r"head", "head.fc"),
    (r"norm", "head.norm"),
]
TORCHVISION_CONVNEXT: Renaming = [
    *FACEBOOK_CONVNEXT,
    (r"downsample_layers\.0\.", "features.0."),
    (r"downsample_layers\.1", "features.2"),
    (r"downsample_layers\.2", "features.4"),
    (r"downsample_layers\.3", "features.6"),
    (r"stages\.0", "features.1"),
    (r"stages\.1", "features.3"),
    (r"stages\.2", "features.5"),
    (r"stages\.3", "features.7"),
    (r"(features.*)dwconv", r"\1block.0"),
    (r"(features.*)norm", r"\1block.2"),
    (r"(features.*)pwconv1", r"\1block.3"),
    (r"(features.*)pwconv2", r"\1block.5"),
    (r"(features.*)gamma", r"\1layer_scale"),
]


def renamed(tensors: dict[str, Tensor], renaming: Renaming) -> dict[str, Tensor]:
    """Tensors by other names; a number in angle brackets in a name is one more."""
    found = {}
    for name, tensor in stacked(tensors).items():
        name = rename(name, renaming)
        found[re.sub(r"<(\d+)>", lambda digit: str(int(digit[1]) + 1), name)] = tensor
    return found


def stacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The projections of queries, keys and values of a Swin as one tensor."""
    tensors = dict(tensors)
    for name in [name for name in tensors if ".attention.self.query." in name]:
        rows = [tensors.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        tensors[name.replace("query", "qkv")] = torch.cat(rows)
    return tensors


def unfolded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """mmdetection's merging in a Swin: what ``nn.Unfold`` gives of each 2×2 patches."""
    found = {}
    for name, tensor in tensors.items():
        if ".downsample.reduction." in name or ".downsample.norm." in name:
            channels = tensor.shape[-1] // 4
            order = torch.arange(tensor.shape[-1]).view(4, channels)  # patches down before right
            patches = torch.stack([order[0], order[2], order[1], order[3]], dim=1).flatten()
            tensor = tensor[..., patches]
        found[name] = tensor
    return found
