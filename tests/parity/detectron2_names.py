"""A Mask2Former's tensors as detectron2's files name them, from transformers' names."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from tests.models.weights.renaming import rename

# transformers' names → detectron2's, as Mask2Former's own code has them: written apart from the tables that
# the importer reads.
RENAMED = [
    (r"class_predictor", "sem_seg_head.predictor.class_embed"),
    (r"model\.transformer_module\.queries_features", "sem_seg_head.predictor.query_feat"),
    (r"model\.transformer_module\.queries_embedder", "sem_seg_head.predictor.query_embed"),
    (r"model\.transformer_module\.level_embed", "sem_seg_head.predictor.level_embed"),
    (r"model\.transformer_module\.decoder\.layernorm", "sem_seg_head.predictor.decoder_norm"),
    (
        r"model\.transformer_module\.decoder\.mask_predictor\.mask_embedder\.(\d)\.0",
        r"sem_seg_head.predictor.mask_embed.layers.\1",
    ),
    (
        r"model\.transformer_module\.decoder\.layers\.(\d+)\.cross_attn\.",
        r"sem_seg_head.predictor.transformer_cross_attention_layers.\1.multihead_attn.",
    ),
    (
        r"model\.transformer_module\.decoder\.layers\.(\d+)\.cross_attn_layer_norm",
        r"sem_seg_head.predictor.transformer_cross_attention_layers.\1.norm",
    ),
    (
        r"model\.transformer_module\.decoder\.layers\.(\d+)\.self_attn\.",
        r"sem_seg_head.predictor.transformer_self_attention_layers.\1.self_attn.",
    ),
    (
        r"model\.transformer_module\.decoder\.layers\.(\d+)\.self_attn_layer_norm",
        r"sem_seg_head.predictor.transformer_self_attention_layers.\1.norm",
    ),
    (
        r"model\.transformer_module\.decoder\.layers\.(\d+)\.fc(\d)",
        r"sem_seg_head.predictor.transformer_ffn_layers.\1.linear\2",
    ),
    (
        r"model\.transformer_module\.decoder\.layers\.(\d+)\.final_layer_norm",
        r"sem_seg_head.predictor.transformer_ffn_layers.\1.norm",
    ),
    (r"model\.pixel_level_module\.decoder\.encoder", "sem_seg_head.pixel_decoder.transformer.encoder"),
    (
        r"model\.pixel_level_module\.decoder\.level_embed",
        "sem_seg_head.pixel_decoder.transformer.level_embed",
    ),
    (r"model\.pixel_level_module\.decoder\.input_projections", "sem_seg_head.pixel_decoder.input_proj"),
    (r"model\.pixel_level_module\.decoder\.mask_projection", "sem_seg_head.pixel_decoder.mask_features"),
    (r"model\.pixel_level_module\.decoder\.(adapter|layer)_1\.0", r"sem_seg_head.pixel_decoder.\1_1"),
    (r"model\.pixel_level_module\.decoder\.(adapter|layer)_1\.1", r"sem_seg_head.pixel_decoder.\1_1.norm"),
    (r"(sem_seg_head\.pixel_decoder\..*)self_attn_layer_norm", r"\1norm1"),
    (r"(sem_seg_head\.pixel_decoder\..*)final_layer_norm", r"\1norm2"),
    (r"(sem_seg_head\.pixel_decoder\..*)fc(\d)", r"\1linear\2"),
    (r"model\.pixel_level_module\.encoder\.hidden_states_norms\.stage1", "backbone.norm0"),
    (r"model\.pixel_level_module\.encoder\.hidden_states_norms\.stage2", "backbone.norm1"),
    (r"model\.pixel_level_module\.encoder\.hidden_states_norms\.stage3", "backbone.norm2"),
    (r"model\.pixel_level_module\.encoder\.hidden_states_norms\.stage4", "backbone.norm3"),
    (
        r"model\.pixel_level_module\.encoder\.embeddings\.patch_embeddings\.projection",
        "backbone.patch_embed.proj",
    ),
    (r"model\.pixel_level_module\.encoder\.embeddings\.norm", "backbone.patch_embed.norm"),
    (r"model\.pixel_level_module\.encoder\.encoder\.layers", "backbone.layers"),
    (r"(backbone\..*)attention\.self\.relative", r"\1attn.relative"),
    (r"(backbone\..*)attention\.output\.dense", r"\1attn.proj"),
    (r"(backbone\..*)intermediate\.dense", r"\1mlp.fc1"),
    (r"(backbone\..*)output\.dense", r"\1mlp.fc2"),
    (r"(backbone\..*)layernorm_before", r"\1norm1"),
    (r"(backbone\..*)layernorm_after", r"\1norm2"),
    (r"model\.pixel_level_module\.encoder\.embedder\.embedder\.convolution", "backbone.stem.conv1"),
    (r"model\.pixel_level_module\.encoder\.embedder\.embedder\.normalization", "backbone.stem.conv1.norm"),
    (r"model\.pixel_level_module\.encoder\.encoder\.stages\.0\.layers", "backbone.res2"),
    (r"model\.pixel_level_module\.encoder\.encoder\.stages\.1\.layers", "backbone.res3"),
    (r"model\.pixel_level_module\.encoder\.encoder\.stages\.2\.layers", "backbone.res4"),
    (r"model\.pixel_level_module\.encoder\.encoder\.stages\.3\.layers", "backbone.res5"),
    (r"(backbone\.res.*)layer\.0\.", r"\1conv1."),
    (r"(backbone\.res.*)layer\.1\.", r"\1conv2."),
    (r"(backbone\.res.*)\.convolution", r"\1"),
    (r"(backbone\.res.*)\.normalization", r"\1.norm"),
]
# Three projections, which detectron2's files stack.
STACKED = [
    (r"(sem_seg_head.*self_attn)\.{}\.(weight|bias)", r"\1.in_proj_\2", ("q_proj", "k_proj", "v_proj")),
    (r"(backbone\..*attention\.self)\.{}\.(weight|bias)", r"\1.qkv.\2", ("query", "key", "value")),
]


def as_detectron2(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by transformers' names → the same by detectron2's."""
    renamed = {rename(name, RENAMED): tensor for name, tensor in tensors.items()}
    for pattern, official, parts in STACKED:
        first = re.compile(pattern.format(parts[0]))
        for name in [name for name in renamed if first.fullmatch(name)]:
            rows = [renamed.pop(first.sub(rf"\1.{part}.\2", name)) for part in parts]
            renamed[first.sub(official, name).replace("attention.self.qkv", "attn.qkv")] = torch.cat(rows)
    return renamed
