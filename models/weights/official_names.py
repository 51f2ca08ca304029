"""Names of tensors in the official files of mobile backbones, and ours; ``pyramid_names`` has the others.

TopFormer's and SeaFormer's names are those of hustvl/TopFormer (``mmseg/models/backbones/topformer.py``) and
of fudan-zvg/SeaFormer (``seaformer-cls/seaformer.py`` and ``seaformer-seg/mmseg/models/backbones/``, which
agree), and EfficientNet-Lite's those of timm's ``tf_efficientnet_lite…`` (``timm/models/efficientnet.py``).
Counting from 0, ours on the right:

    TopFormer
    tpm.stem.0                             stem
    tpm.layer{n+1}.conv                    rows.{n}                     an inverted residual
    trans.transformer_blocks.{n}           blocks.{n}                   parts as in ATTENTION and MLP
    SIM.{n+1}                              injections.{n}               parts as in INJECTION

    SeaFormer
    smb1.stem_block.0                      stem
    smb{m+1}.layer{n+1}.conv               stages.{m}.{n}               an inverted residual
    trans{m+1}.transformer_blocks.{n}      transformers.{5-M+m}.{n}     parts as in SEA_ATTENTION and MLP

    EfficientNet-Lite
    conv_stem, bn1                         stem.conv, stem.norm
    blocks.{m}.{n}.conv_pw, bn1            stages.{m}.{n}.expand        .conv and .norm
    blocks.{m}.{n}.conv_dw, bn2            stages.{m}.{n}.depthwise
    blocks.{m}.{n}.conv_pwl, bn3           stages.{m}.{n}.project
    blocks.0.0.conv_dw, bn1; conv_pw, bn2  stages.0.0.depthwise; project, without expansion

SeaFormer's M transformers follow the last M of its five stages. An inverted residual is a sequence in the
official files, activations included: 0 expands, 2 is depth-wise and 4 projects; without expansion (factor 1),
0 is depth-wise and 2 projects. A convolution and its norm are ``c`` and ``bn``, in the injection ``conv`` and
``bn``; ours are ``conv`` and ``norm``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import nn

from mobilevis.models.backbones.efficientnet import EfficientNetLite
from mobilevis.models.backbones.seaformer import SeaFormer
from mobilevis.models.backbones.topformer import TopFormer
from mobilevis.models.blocks.layers import InvertedResidual

ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "proj.1": "project"}
SEA_ATTENTION = {
    **ATTENTION,
    "dwconv": "detail_depthwise",
    "pwconv": "detail_project",
    "proj_encode_row.1": "rows.project",
    "proj_encode_column.1": "columns.project",
    "pos_emb_rowq.pos_embed": "rows.query_positions.embedding",
    "pos_emb_rowk.pos_embed": "rows.key_positions.embedding",
    "pos_emb_columnq.pos_embed": "columns.query_positions.embedding",
    "pos_emb_columnk.pos_embed": "columns.key_positions.embedding",
}
MLP = {"fc1": "expand", "dwconv": "depthwise", "fc2": "project"}
INJECTION = {"local_embedding": "local", "global_act": "gate", "global_embedding": "feature"}

Pairs = Iterator[tuple[str, str]]


def official_names(backbone: nn.Module) -> dict[str, str]:
    """Our name of each tensor of a backbone, of a family in ``OFFICIAL``, → its official name."""
    modules = {ours: official for official, ours in OFFICIAL[type(backbone)](backbone)}
    names = {name: _official_name(name, modules) for name in backbone.state_dict()}
    return {name: official for name, official in names.items() if official}


def _official_name(name: str, modules: Mapping[str, str]) -> str:
    parts = name.split(".")
    cut = next((i for i in range(len(parts), 0, -1) if ".".join(parts[:i]) in modules), 0)
    if not cut:
        return ""
    module = modules[".".join(parts[:cut])]
    renamed = {"conv": "conv" if module.startswith("SIM.") else "c", "norm": "bn"}
    return ".".join([module, *(renamed.get(part, part) for part in parts[cut:])])


def _topformer(backbone: TopFormer) -> Pairs:
    yield "tpm.stem.0", "stem"
    for n, row in enumerate(backbone.rows):
        yield from _inverted_residual(f"tpm.layer{n + 1}.conv", f"rows.{n}", row)
    for n in range(len(backbone.blocks)):
        yield from _block(f"trans.transformer_blocks.{n}", f"blocks.{n}", ATTENTION)
    for n in range(len(backbone.injections)):
        yield from _parts(f"SIM.{n + 1}", f"injections.{n}", INJECTION)


def _seaformer(backbone: SeaFormer) -> Pairs:
    yield "smb1.stem_block.0", "stem"
    for m, stage in enumerate(backbone.stages):
        for n, row in enumerate(stage.children()):
            yield from _inverted_residual(f"smb{m + 1}.layer{n + 1}.conv", f"stages.{m}.{n}", row)
    plain = sum(isinstance(transformer, nn.Identity) for transformer in backbone.transformers)
    for m, transformer in enumerate(backbone.transformers[plain:]):
        for n in range(len(list(transformer.children()))):
            official, ours = f"trans{m + 1}.transformer_blocks.{n}", f"transformers.{plain + m}.{n}"
            yield from _block(official, ours, SEA_ATTENTION)


def _efficientnet(backbone: EfficientNetLite) -> Pairs:
    yield from _conv_and_norm("conv_stem", "bn1", "stem")
    for m, stage in enumerate(backbone.stages):
        for n, block in enumerate(stage.children()):
            official, ours = f"blocks.{m}.{n}", f"stages.{m}.{n}"
            parts = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
            if isinstance(block.expand, nn.Identity):
                parts = {"depthwise": "conv_dw", "project": "conv_pw"}
            for place, (part, conv) in enumerate(parts.items(), start=1):
                yield from _conv_and_norm(f"{official}.{conv}", f"{official}.bn{place}", f"{ours}.{part}")


def _conv_and_norm(conv: str, norm: str, ours: str) -> Pairs:
    yield conv, f"{ours}.conv"
    yield norm, f"{ours}.norm"


def _inverted_residual(official: str, ours: str, row: nn.Module) -> Pairs:
    assert isinstance(row, InvertedResidual)
    expands = not isinstance(row.expand, nn.Identity)
    for n, part in enumerate(("expand", "depthwise", "project") if expands else ("depthwise", "project")):
        yield f"{official}.{2 * n}", f"{ours}.{part}"


def _block(official: str, ours: str, attention: Mapping[str, str]) -> Pairs:
    yield from _parts(f"{official}.attn", f"{ours}.attention", attention)
    yield from _parts(f"{official}.mlp", f"{ours}.mlp", MLP)


def _parts(official: str, ours: str, names: Mapping[str, str]) -> Pairs:
    for theirs, mine in names.items():
        yield f"{official}.{theirs}", f"{ours}.{mine}"


OFFICIAL: dict[type[nn.Module], Callable[..., Pairs]] = {
    EfficientNetLite: _efficientnet,
    SeaFormer: _seaformer,
    TopFormer: _topformer,
}
