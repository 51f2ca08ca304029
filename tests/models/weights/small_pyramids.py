"""Published backbones with a hundredth of their weights, all of them random, as transformers builds and saves
them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mobilevis.models.backbones.resnet import RESNETS

SMALL_SWIN = {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4], "window_size": 7}
SMALL_CONVNEXT = {"widths": (8, 16, 32, 64), "depths": (1, 1, 2, 1)}


def shuffle_weights(model: nn.Module) -> None:
    """Random values everywhere: what starts at 0 or 1 would hide a tensor that is in the wrong place."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point() and (tensor.squeeze().dim() <= 1 or "bias_table" in name):
                tensor.add_(torch.empty_like(tensor).uniform_(-0.2, 0.2))
            elif name.endswith("sampling_offsets.weight"):
                tensor.normal_(std=0.05)


def saved_classifier(name: str, folder: Path) -> tuple[nn.Module, Path]:
    """A small classifier of transformers and its file.

    Args:
        name: ``resnet-tiny``, ``swin-tiny``, ``convnext-tiny`` or ``convnextv2-tiny``.
        folder: for the file.
    """
    transformers: Any = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_sizes": list(SMALL_CONVNEXT["widths"]), "depths": list(SMALL_CONVNEXT["depths"])}
    model: nn.Module = {
        "resnet-tiny": lambda: transformers.ResNetForImageClassification(
            transformers.ResNetConfig(**RESNETS["resnet-tiny"])
        ),
        "swin-tiny": lambda: transformers.SwinForImageClassification(transformers.SwinConfig(**SMALL_SWIN)),
        "convnext-tiny": lambda: transformers.ConvNextForImageClassification(
            transformers.ConvNextConfig(**sizes)
        ),
        "convnextv2-tiny": lambda: transformers.ConvNextV2ForImageClassification(
            transformers.ConvNextV2Config(**sizes)
        ),
    }[name]()
    shuffle_weights(model.eval())
    # a method of all of them, which their common type in the stubs, nn.Module, does not show
    model.save_pretrained(folder / name)  # type: ignore[operator]
    return model, folder / name / "model.safetensors"
