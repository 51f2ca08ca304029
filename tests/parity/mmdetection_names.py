"""A Mask2Former's tensors as mmdetection's files name them, from detectron2's names.

Written apart from the tables that the importer reads. Version 2 counts the parts of a layer in the order in
which they run; version 3 has names for them.
"""

from __future__ import annotations

from torch import Tensor

from tests.models.weights.renaming import rename

_PIXELS = r"sem_seg_head\.pixel_decoder\."
_QUERIES = r"sem_seg_head\.predictor\."
RENAMED = [
    (_PIXELS + r"input_proj\.(\d)\.0", r"panoptic_head.pixel_decoder.input_convs.\1.conv"),
    (_PIXELS + r"input_proj\.(\d)\.1", r"panoptic_head.pixel_decoder.input_convs.\1.gn"),
    (_PIXELS + r"transformer\.level_embed", "panoptic_head.pixel_decoder.level_encoding.weight"),
    (_PIXELS + r"transformer\.encoder\.layers", "panoptic_head.pixel_decoder.encoder.layers"),
    (r"(.*encoder\.layers\.\d\.)linear1", r"\1ffn.layers.0.0"),
    (r"(.*encoder\.layers\.\d\.)linear2", r"\1ffn.layers.1"),
    (r"(.*encoder\.layers\.\d\.)norm1", r"\1norms.0"),
    (r"(.*encoder\.layers\.\d\.)norm2", r"\1norms.1"),
    (_PIXELS + r"adapter_1\.norm", "panoptic_head.pixel_decoder.lateral_convs.0.gn"),
    (_PIXELS + r"adapter_1", "panoptic_head.pixel_decoder.lateral_convs.0.conv"),
    (_PIXELS + r"layer_1\.norm", "panoptic_head.pixel_decoder.output_convs.0.gn"),
    (_PIXELS + r"layer_1", "panoptic_head.pixel_decoder.output_convs.0.conv"),
    (_PIXELS + r"mask_features", "panoptic_head.pixel_decoder.mask_feature"),
    (
        _QUERIES + r"transformer_cross_attention_layers\.(\d+)\.multihead_attn",
        r"panoptic_head.transformer_decoder.layers.\1.cross_attn.attn",
    ),
    (
        _QUERIES + r"transformer_cross_attention_layers\.(\d+)\.norm",
        r"panoptic_head.transformer_decoder.layers.\1.norms.0",
    ),
    (
        _QUERIES + r"transformer_self_attention_layers\.(\d+)\.self_attn",
        r"panoptic_head.transformer_decoder.layers.\1.self_attn.attn",
    ),
    (
        _QUERIES + r"transformer_self_attention_layers\.(\d+)\.norm",
        r"panoptic_head.transformer_decoder.layers.\1.norms.1",
    ),
    (
        _QUERIES + r"transformer_ffn_layers\.(\d+)\.linear1",
        r"panoptic_head.transformer_decoder.layers.\1.ffn.layers.0.0",
    ),
    (
        _QUERIES + r"transformer_ffn_layers\.(\d+)\.linear2",
        r"panoptic_head.transformer_decoder.layers.\1.ffn.layers.1",
    ),
    (
        _QUERIES + r"transformer_ffn_layers\.(\d+)\.norm",
        r"panoptic_head.transformer_decoder.layers.\1.norms.2",
    ),
    (_QUERIES + r"decoder_norm", "panoptic_head.transformer_decoder.post_norm"),
    (_QUERIES + r"(query_feat|query_embed|level_embed)", r"panoptic_head.\1"),
    (_QUERIES + r"class_embed", "panoptic_head.cls_embed"),
    (_QUERIES + r"mask_embed\.layers\.0", "panoptic_head.mask_embed.0"),
    (_QUERIES + r"mask_embed\.layers\.1", "panoptic_head.mask_embed.2"),
    (_QUERIES + r"mask_embed\.layers\.2", "panoptic_head.mask_embed.4"),
    (r"backbone\.stem\.conv1\.norm", "backbone.bn1"),
    (r"backbone\.stem\.conv1", "backbone.conv1"),
    (r"backbone\.res2", "backbone.layer1"),
    (r"backbone\.res3", "backbone.layer2"),
    (r"backbone\.res4", "backbone.layer3"),
    (r"backbone\.res5", "backbone.layer4"),
    (r"(backbone\.layer\d\.\d\.)conv(\d)\.norm", r"\1bn\2"),
    (r"(backbone\.layer\d\.\d\.)shortcut\.norm", r"\1downsample.1"),
    (r"(backbone\.layer\d\.\d\.)shortcut", r"\1downsample.0"),
    (r"backbone\.patch_embed\.proj", "backbone.patch_embed.projection"),
    (r"backbone\.layers", "backbone.stages"),
    (r"(backbone\.stages.*)attn\.", r"\1attn.w_msa."),
    (r"(backbone\.stages.*)mlp\.fc1", r"\1ffn.layers.0.0"),
    (r"(backbone\.stages.*)mlp\.fc2", r"\1ffn.layers.1"),
]
NUMBERED = [
    (r"(.*encoder\.layers\.\d\.)self_attn", r"\1attentions.0"),
    (r"(.*transformer_decoder\.layers\.\d+\.)cross_attn", r"\1attentions.0"),
    (r"(.*transformer_decoder\.layers\.\d+\.)self_attn", r"\1attentions.1"),
    (r"(panoptic_head.*)ffn\.", r"\1ffns.0."),
]


def as_mmdetection(tensors: dict[str, Tensor], version: int) -> dict[str, Tensor]:
    """Tensors by detectron2's names → the same by mmdetection's, of version 2 or 3."""
    renaming = [*RENAMED, *(NUMBERED if version == 2 else [])]
    return {rename(name, renaming): tensor for name, tensor in tensors.items()}
