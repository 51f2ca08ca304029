"""ResNet and Swin: the features of transformers' models, from the files that these save."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mobilevis.models.backbones.resnet import RESNETS, ResNet
from mobilevis.models.backbones.swin import Swin
from mobilevis.models.weights.checkpoint import load_pretrained_backbone
from tests.parity.conftest import SMALL_SWIN, shuffle_weights

pytestmark = pytest.mark.parity
transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")


def saved(model, folder):
    torch.manual_seed(0)
    with torch.no_grad():
        shuffle_weights(model.eval())
    model.save_pretrained(folder)
    return folder / "model.safetensors"


def test_a_resnets_levels_are_transformers_hidden_states(tmp_path):
    theirs = transformers.ResNetForImageClassification(transformers.ResNetConfig(**RESNETS["resnet-tiny"]))
    ours = ResNet("resnet-tiny", first=2).eval()
    load_pretrained_backbone(ours, saved(theirs, tmp_path))
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(images, output_hidden_states=True).hidden_states[1:]
        for mine, other in zip(ours(images), expected):
            torch.testing.assert_close(mine, other)


def test_a_swins_last_level_is_transformers_last_hidden_state_normed(tmp_path, small_swin):
    theirs = transformers.SwinForImageClassification(transformers.SwinConfig(**SMALL_SWIN))
    ours = Swin("swin-tiny").eval()
    load_pretrained_backbone(ours, saved(theirs, tmp_path))
    images = torch.randn(1, 3, 224, 256)  # below 224 that model makes its windows smaller, not the backbone
    with torch.no_grad():
        last = theirs(images, output_hidden_states=True).reshaped_hidden_states[-1]
        normed = F.layer_norm(last.permute(0, 2, 3, 1), last.shape[1:2]).permute(0, 3, 1, 2)
        torch.testing.assert_close(ours.levels(images)[-1], normed, rtol=1e-4, atol=1e-5)
