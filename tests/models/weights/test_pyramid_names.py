"""ResNets, Swins and ConvNeXts of every publisher: the same weights as from transformers' file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from mobilevis.models.backbones.convnext import CONVNEXTS, ConvNeXt
from mobilevis.models.backbones.resnet import ResNet
from mobilevis.models.backbones.swin import SWINS, Swin
from mobilevis.models.weights.official import load_pretrained_backbone
from mobilevis.models.weights.pyramid_names import unfold_columns
from mobilevis.runtime.errors import UserError
from tests.models.weights import pyramid_files as names
from tests.models.weights.small_pyramids import SMALL_CONVNEXT, SMALL_SWIN, saved_classifier

transformers: Any = pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWINS, "swin-tiny", SMALL_SWIN)
    monkeypatch.setitem(CONVNEXTS, "convnext-tiny", SMALL_CONVNEXT)
    monkeypatch.setitem(CONVNEXTS, "convnextv2-tiny", {**SMALL_CONVNEXT, "response_norm": True})


PUBLISHERS: dict[str, tuple[str, names.Renaming]] = {
    "a ResNet of torchvision, timm or mmdetection": ("resnet-tiny", names.TORCHVISION_RESNET),
    "Microsoft's Swin": ("swin-tiny", names.MICROSOFT_SWIN),
    "timm's Swin": ("swin-tiny", names.TIMM_SWIN),
    "torchvision's Swin": ("swin-tiny", names.TORCHVISION_SWIN),
    "mmdetection's Swin": ("swin-tiny", names.MMDETECTION_SWIN),
    "Facebook's ConvNeXt": ("convnext-tiny", names.FACEBOOK_CONVNEXT),
    "timm's ConvNeXt": ("convnext-tiny", names.TIMM_CONVNEXT),
    "torchvision's ConvNeXt": ("convnext-tiny", names.TORCHVISION_CONVNEXT),
    "Facebook's ConvNeXt V2": ("convnextv2-tiny", names.FACEBOOK_CONVNEXT),
    "timm's ConvNeXt V2": ("convnextv2-tiny", names.TIMM_CONVNEXT),
}


def build(name: str) -> nn.Module:
    kind = {"resnet": ResNet, "swin": Swin, "convnext": ConvNeXt, "convnextv2": ConvNeXt}
    return kind[name.split("-")[0]](name)


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_file_brings_the_same_weights_whoever_published_it(publisher: str, tmp_path: Path) -> None:
    name, renaming = PUBLISHERS[publisher]
    _, file = saved_classifier(name, tmp_path)
    tensors = names.renamed(load_file(file), renaming)
    if renaming is names.MMDETECTION_SWIN:
        tensors = names.unfolded(tensors)
    torch.save({"state_dict": tensors}, tmp_path / "other.pth")
    expected, found = build(name), build(name)
    report = load_pretrained_backbone(expected, file)
    other = load_pretrained_backbone(found, tmp_path / "other.pth")
    assert other.loaded == report.loaded
    assert {key.split(".")[1] for key in other.missing} <= {"hidden_states_norms"}
    assert len(other.unmatched) == len(report.unmatched) <= 4  # the classifier, and the norm before it
    state = expected.state_dict()
    for key in other.loaded:
        assert torch.equal(found.state_dict()[key], state[key]), key


def test_patches_that_unfold_merged_are_in_microsofts_order() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 3, 4, 6), torch.randn(5, 12)
    merged = nn.functional.unfold(x, 2, stride=2)
    patches = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]  # down before right
    there = torch.cat(patches, dim=1).flatten(2)
    torch.testing.assert_close(weight @ merged[0], unfold_columns(weight) @ there[0])


def test_another_families_file_is_refused(tmp_path: Path) -> None:
    _, file = saved_classifier("swin-tiny", tmp_path)
    with pytest.raises(UserError, match="holds no weights of ConvNeXt"):
        load_pretrained_backbone(build("convnext-tiny"), file)


def test_a_larger_sizes_file_is_refused_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, file = saved_classifier("convnext-tiny", tmp_path)
    monkeypatch.setitem(CONVNEXTS, "convnext-tiny", {**SMALL_CONVNEXT, "widths": (16, 32, 64, 128)})
    backbone = build("convnext-tiny")
    before = {key: x.clone() for key, x in backbone.state_dict().items()}
    with pytest.raises(UserError, match=r"stem\.0\.weight is \(8, 3, 4, 4\) there, \(16, 3, 4, 4\)"):
        load_pretrained_backbone(backbone, file)
    assert all(torch.equal(before[key], x) for key, x in backbone.state_dict().items())


def test_a_qkv_that_three_do_not_divide_is_refused(tmp_path: Path) -> None:
    _, file = saved_classifier("swin-tiny", tmp_path)
    tensors = names.renamed(load_file(file), names.MICROSOFT_SWIN)
    tensors["layers.0.blocks.0.attn.qkv.weight"] = torch.zeros(7, 16)
    torch.save(tensors, tmp_path / "hostile.pth")
    with pytest.raises(UserError, match=r"q_proj\.weight is \(7, 16\) there, \(16, 16\) in the model"):
        load_pretrained_backbone(build("swin-tiny"), tmp_path / "hostile.pth")


def test_the_published_sizes_are_the_papers() -> None:
    """Millions of parameters, with the classifier's norm and head: 198 in both papers."""
    with torch.device("meta"):
        counts = {
            name: sum(p.numel() for p in ConvNeXt(name).parameters()) / 1e6
            for name in ("convnext-large", "convnextv2-large")
        }
    head = (1536 * 1000 + 1000 + 2 * 1536) / 1e6
    assert {name: round(count + head) for name, count in counts.items()} == {
        "convnext-large": 198,
        "convnextv2-large": 198,
    }
