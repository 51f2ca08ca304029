"""ResNet, Swin and ConvNeXt: the features of transformers', torchvision's and timm's models, from the files
that these save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.convnext import CONVNEXTS, ConvNeXt
from mobilevis.models.backbones.resnet import RESNETS, ResNet
from mobilevis.models.backbones.swin import Swin
from mobilevis.models.weights.official import load_pretrained_backbone
from tests.models.weights.small_pyramids import SMALL_CONVNEXT, SMALL_SWIN, saved_classifier, shuffle_weights

pytestmark = pytest.mark.parity
pytest.importorskip("transformers", reason="transformers is not installed")

# Whole windows at every level: where a classifier's do not fit, timm pads after its shift and others before,
# and a level smaller than a window has smaller ones in classifiers, not in detectors.
SIZE = (224, 224)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, small_swin: None) -> None:
    monkeypatch.setitem(CONVNEXTS, "convnext-tiny", SMALL_CONVNEXT)
    monkeypatch.setitem(CONVNEXTS, "convnextv2-tiny", {**SMALL_CONVNEXT, "response_norm": True})


def levels_of(backbone: Any, images: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return list(backbone.eval().levels(images))


def plain_norm(x: Tensor) -> Tensor:
    """What a Swin's levels are normed with before any training."""
    return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2)


def assert_alike(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs) == 4
    for level, (mine, other) in enumerate(zip(ours, theirs)):
        torch.testing.assert_close(
            mine, other, rtol=1e-4, atol=1e-4, msg=lambda text, n=level: f"level {n}: {text}"
        )


def test_a_resnets_levels_are_transformers(tmp_path: Path) -> None:
    theirs, file = saved_classifier("resnet-tiny", tmp_path)
    ours = ResNet("resnet-tiny")
    load_pretrained_backbone(ours, file)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(images, output_hidden_states=True).hidden_states[1:]
    assert_alike(levels_of(ours, images), list(expected))


def test_a_swins_levels_are_transformers_normed(tmp_path: Path) -> None:
    theirs, file = saved_classifier("swin-tiny", tmp_path)
    ours = Swin("swin-tiny")
    load_pretrained_backbone(ours, file)
    images = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        last = theirs(images, output_hidden_states=True).reshaped_hidden_states[-1]
    torch.testing.assert_close(levels_of(ours, images)[-1], plain_norm(last), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["convnext-tiny", "convnextv2-tiny"])
def test_a_convnexts_levels_are_transformers(tmp_path: Path, name: str) -> None:
    theirs, file = saved_classifier(name, tmp_path)
    ours = ConvNeXt(name)
    report = load_pretrained_backbone(ours, file)
    assert not report.missing
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(images, output_hidden_states=True).hidden_states
    assert_alike(levels_of(ours, images), list(expected[-4:]))


def save(model: nn.Module, folder: Path) -> Path:
    torch.manual_seed(0)
    shuffle_weights(model.eval())
    torch.save(model.state_dict(), folder / "model.pth")
    return folder / "model.pth"


def stages_of(model: nn.Module, stages: list[nn.Module], images: Tensor, channels_last: bool) -> list[Tensor]:
    """The outputs of a model's stages, (B, C, H, W)."""
    found: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> None:
        found.append(output.permute(0, 3, 1, 2) if channels_last else output)

    handles = [stage.register_forward_hook(keep) for stage in stages]
    with torch.no_grad():
        model(images)
    for handle in handles:
        handle.remove()
    return found


def torchvision_resnet() -> tuple[nn.Module, list[nn.Module]]:
    module = pytest.importorskip("torchvision.models.resnet", reason="torchvision is not installed")
    model = module.ResNet(module.Bottleneck, [1, 1, 1, 1])
    return model, [model.layer1, model.layer2, model.layer3, model.layer4]


def torchvision_swin() -> tuple[nn.Module, list[nn.Module]]:
    module = pytest.importorskip("torchvision.models.swin_transformer", reason="torchvision is not installed")
    size = SMALL_SWIN
    model = module.SwinTransformer(
        [4, 4], size["embed_dim"], size["depths"], size["num_heads"], [7, 7], stochastic_depth_prob=0.0
    )
    return model, [model.features[2 * m + 1] for m in range(4)]


def torchvision_convnext() -> tuple[nn.Module, list[nn.Module]]:
    module = pytest.importorskip("torchvision.models.convnext", reason="torchvision is not installed")
    widths, depths = SMALL_CONVNEXT["widths"], SMALL_CONVNEXT["depths"]
    settings = [
        module.CNBlockConfig(width, following, depth)
        for width, following, depth in zip(widths, (*widths[1:], None), depths)
    ]
    model = module.ConvNeXt(settings)
    return model, [model.features[2 * m + 1] for m in range(4)]


def timm_swin() -> tuple[nn.Module, list[nn.Module]]:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    size = {key: SMALL_SWIN[key] for key in ("embed_dim", "depths", "num_heads", "window_size")}
    model = timm.models.swin_transformer.SwinTransformer(img_size=SIZE, num_classes=2, **size)
    return model, list(model.layers)


def timm_convnext() -> tuple[nn.Module, list[nn.Module]]:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    sizes = {"depths": SMALL_CONVNEXT["depths"], "dims": SMALL_CONVNEXT["widths"]}
    model = timm.models.convnext.ConvNeXt(use_grn=True, ls_init_value=None, **sizes)
    return model, list(model.stages)


BUILDERS: dict[str, tuple[str, Callable[[], tuple[nn.Module, list[nn.Module]]]]] = {
    "torchvision's ResNet": ("resnet-tiny", torchvision_resnet),
    "torchvision's Swin": ("swin-tiny", torchvision_swin),
    "torchvision's ConvNeXt": ("convnext-tiny", torchvision_convnext),
    "timm's Swin": ("swin-tiny", timm_swin),
    "timm's ConvNeXt V2": ("convnextv2-tiny", timm_convnext),
}


@pytest.mark.parametrize("published", BUILDERS)
def test_the_levels_are_the_publishers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: str
) -> None:
    name, build = BUILDERS[published]
    monkeypatch.setitem(RESNETS, "resnet-tiny", {"depths": [1, 1, 1, 1]})
    theirs, stages = build()
    kind = {"resnet-tiny": ResNet, "swin-tiny": Swin}.get(name, ConvNeXt)
    ours = kind(name)
    load_pretrained_backbone(ours, save(theirs, tmp_path))
    images = torch.randn(1, 3, *SIZE)
    swin = name == "swin-tiny"
    expected = stages_of(theirs, stages, images, channels_last=swin)
    assert_alike(levels_of(ours, images), [plain_norm(x) for x in expected] if swin else expected)
