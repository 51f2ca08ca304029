"""What official files hold, stood in for by random tensors under the official names and shapes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobilevis.models.backbones import create_backbone


def convolution(name: str, out: int, into: int, kernel: int = 1, keys: tuple[str, str] = ("c", "bn")) -> dict:
    """A convolution and its batch norm under official names, with random values."""
    conv, norm = keys
    return {
        f"{name}.{conv}.weight": torch.randn(out, into, kernel, kernel),
        f"{name}.{norm}.weight": torch.rand(out),
        f"{name}.{norm}.bias": torch.randn(out),
        f"{name}.{norm}.running_mean": torch.randn(out),
        f"{name}.{norm}.running_var": torch.rand(out) + 0.5,
        f"{name}.{norm}.num_batches_tracked": torch.tensor(7),
    }


def residual(name: str, into: int, out: int, kernel: int, expansion: int) -> dict[str, Tensor]:
    hidden = into * expansion
    if expansion == 1:
        return {
            **convolution(f"{name}.conv.0", hidden, 1, kernel),
            **convolution(f"{name}.conv.2", out, hidden),
        }
    return {
        **convolution(f"{name}.conv.0", hidden, into),
        **convolution(f"{name}.conv.2", hidden, 1, kernel),
        **convolution(f"{name}.conv.4", out, hidden),
    }


def mlp(name: str, channels: int, hidden: int) -> dict[str, Tensor]:
    return {
        **convolution(f"{name}.fc1", hidden, channels),
        f"{name}.dwconv.weight": torch.randn(hidden, 1, 3, 3),
        f"{name}.dwconv.bias": torch.randn(hidden),
        **convolution(f"{name}.fc2", channels, hidden),
    }


def attention(name: str, channels: int, keys: int, values: int) -> dict[str, Tensor]:
    return {
        **convolution(f"{name}.to_q", keys, channels),
        **convolution(f"{name}.to_k", keys, channels),
        **convolution(f"{name}.to_v", values, channels),
        **convolution(f"{name}.proj.1", channels, values),
    }


def official_topformer_tiny() -> dict[str, Tensor]:
    """hustvl/TopFormer's tensors without injection: ``local_configs/topformer/topformer_tiny.py``."""
    state = convolution("tpm.stem.0", 16, 3, 3)
    rows = [(16, 16, 3, 1), (16, 16, 3, 4), (16, 16, 3, 3), (16, 32, 5, 3), (32, 32, 5, 3), (32, 64, 3, 3),
            (64, 64, 3, 3), (64, 96, 5, 6), (96, 96, 5, 6)]  # fmt: skip
    for n, row in enumerate(rows, start=1):
        state.update(residual(f"tpm.layer{n}", *row))
    for n in range(4):
        block = f"trans.transformer_blocks.{n}"
        state.update(attention(f"{block}.attn", 208, 64, 128))
        state.update(mlp(f"{block}.mlp", 208, 416))
    return state


def official_injections() -> dict[str, Tensor]:
    state = {}
    for n, channels in ((1, 32), (2, 64), (3, 96)):
        for part in ("local_embedding", "global_embedding", "global_act"):
            state.update(convolution(f"SIM.{n}.{part}", 128, channels, keys=("conv", "bn")))
    return state


def official_seaformer_tiny() -> dict[str, Tensor]:
    """fudan-zvg/SeaFormer's tensors: ``seaformer-seg/local_configs/seaformer/seaformer_tiny.py``."""
    state = convolution("smb1.stem_block.0", 16, 3, 3)
    stages = [
        [(16, 16, 3, 1), (16, 16, 3, 4), (16, 16, 3, 3)],
        [(16, 32, 5, 3), (32, 32, 5, 3)],
        [(32, 64, 3, 3), (64, 64, 3, 3)],
        [(64, 128, 5, 3)],
        [(128, 160, 3, 6)],
    ]
    for m, stage in enumerate(stages, start=1):
        for n, row in enumerate(stage, start=1):
            state.update(residual(f"smb{m}.layer{n}", *row))
    for m, channels, keys, ratio in ((1, 128, 64, 2), (2, 160, 96, 4)):
        for n in range(2):
            block = f"trans{m}.transformer_blocks.{n}"
            state.update(sea_attention(f"{block}.attn", channels, keys))
            state.update(mlp(f"{block}.mlp", channels, channels * ratio))
    return state


def sea_attention(name: str, channels: int, keys: int) -> dict[str, Tensor]:
    values = 2 * keys
    positions = ("rowq", "rowk", "columnq", "columnk")
    return {
        **attention(name, channels, keys, values),
        **convolution(f"{name}.proj_encode_row.1", values, values),
        **convolution(f"{name}.proj_encode_column.1", values, values),
        **convolution(f"{name}.dwconv", 2 * values, 1, 3),
        **convolution(f"{name}.pwconv", channels, 2 * values),
        **{f"{name}.pos_emb_{axis}.pos_embed": torch.randn(1, keys, 16) for axis in positions},
    }


def official_efficientnet_lite0() -> dict[str, Tensor]:
    """timm's tensors of ``tf_efficientnet_lite0`` without the head: its ``_gen_efficientnet_lite``."""

    def pair(conv: str, norm: str, out: int, into: int, kernel: int = 1) -> dict[str, Tensor]:
        made = convolution("x", out, into, kernel)
        return {made_name.replace("x.c", conv).replace("x.bn", norm): x for made_name, x in made.items()}

    state = pair("conv_stem", "bn1", 32, 3, 3)
    state.update(pair("blocks.0.0.conv_dw", "blocks.0.0.bn1", 32, 1, 3))
    state.update(pair("blocks.0.0.conv_pw", "blocks.0.0.bn2", 16, 32))
    into = 16
    stages = [(24, 2, 3), (40, 2, 5), (80, 3, 3), (112, 3, 5), (192, 4, 5), (320, 1, 3)]
    for m, (out, blocks, kernel) in enumerate(stages, start=1):
        for n in range(blocks):
            block = f"blocks.{m}.{n}"
            state.update(pair(f"{block}.conv_pw", f"{block}.bn1", 6 * into, into))
            state.update(pair(f"{block}.conv_dw", f"{block}.bn2", 6 * into, 1, kernel))
            state.update(pair(f"{block}.conv_pwl", f"{block}.bn3", out, 6 * into))
            into = out
    return state


def topformer() -> nn.Module:
    return create_backbone("topformer-tiny", 128, 0.0)


def seaformer() -> nn.Module:
    return create_backbone("seaformer-tiny", 128, 0.0)
