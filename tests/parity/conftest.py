"""Independent implementations beside ours, with the same random weights on the same input.

They come with transformers, which the extra ``export`` installs; nothing is downloaded: a configuration makes
a model. Select these tests with ``pytest -m parity``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mobilevis.models.backbones.resnet import RESNETS
from mobilevis.models.backbones.swin import SWINS
from tests.models.weights.small_pyramids import SMALL_SWIN, shuffle_weights

STAGES = ["stage1", "stage2", "stage3", "stage4"]
CLASSES, QUERIES, DIM, HEADS = 3, 20, 64, 4
LAYERS, ENCODER_LAYERS = 4, 2


@pytest.fixture
def small_swin(monkeypatch: pytest.MonkeyPatch) -> None:
    """``swin-tiny`` with a hundredth of its weights."""
    monkeypatch.setitem(SWINS, "swin-tiny", SMALL_SWIN)


@pytest.fixture
def hugging_face(tmp_path: Path, small_swin: None) -> Callable[[str], tuple[nn.Module, Path]]:
    """Builds transformers' Mask2Former on "resnet" or "swin" and saves it: the model, and its file."""
    transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")

    def build(backbone: str) -> tuple[nn.Module, Path]:
        torch.manual_seed(0)
        backbones = {
            "resnet": transformers.ResNetConfig(out_features=STAGES, **RESNETS["resnet-tiny"]),
            "swin": transformers.SwinConfig(out_features=STAGES, **SMALL_SWIN),
        }
        config = transformers.Mask2FormerConfig(
            backbone_config=backbones[backbone],
            feature_size=DIM,
            mask_feature_size=DIM,
            hidden_dim=DIM,
            num_attention_heads=HEADS,
            encoder_layers=ENCODER_LAYERS,
            encoder_feedforward_dim=128,
            decoder_layers=LAYERS + 1,  # it counts the learned queries' prediction
            dim_feedforward=256,
            num_queries=QUERIES,
            num_labels=CLASSES,
        )
        model = transformers.Mask2FormerForUniversalSegmentation(config).eval()
        shuffle_weights(model)
        model.save_pretrained(tmp_path / backbone)
        return model, tmp_path / backbone / "model.safetensors"

    return build
