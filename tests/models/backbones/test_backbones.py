"""Backbones: their pyramids, and their attention against its formula in everyday operators."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones import (
    BACKBONES,
    LEVEL_BACKBONES,
    create_backbone,
    create_level_backbone,
    create_pyramid,
)
from mobilevis.models.backbones.convnext import ResponseNorm
from mobilevis.models.backbones.efficientnet import EFFICIENTNET_LITES, PaddedConvNorm
from mobilevis.models.backbones.seaformer import SEAFORMER_SIZES, SeaAttention
from mobilevis.models.backbones.topformer import TOPFORMER_SIZES, UnscaledAttention
from mobilevis.models.blocks.layers import ImageNetNormalise


def _randomise_norms(module: nn.Module) -> None:
    """Fresh norms hide half of a block: a residual branch starts at zero."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_gives_features_at_strides_8_16_32_and_64(name):
    backbone = create_backbone(name, dim=48, drop_path=0.0).eval()
    with torch.no_grad():
        pyramid = backbone(torch.randn(2, 3, 64, 128))
    sizes = [(8, 16), (4, 8), (2, 4), (1, 2)]
    assert [tuple(x.shape) for x in pyramid] == [(2, c, *size) for c, size in zip(backbone.channels, sizes)]


@pytest.mark.parametrize("name", LEVEL_BACKBONES)
def test_levels_begin_at_stride_4(name):
    with torch.device("meta"), torch.no_grad():
        backbone = create_level_backbone(name).eval()
        levels = backbone.levels(torch.randn(1, 3, 64, 128))
    assert [level.shape[1] for level in levels] == list(backbone.level_channels)
    assert [tuple(level.shape[2:]) for level in levels][:4] == [(16, 32), (8, 16), (4, 8), (2, 4)]


@pytest.mark.parametrize("name", ["resnet-tiny", "swin-tiny", "convnext-tiny"])
def test_a_pyramid_from_stride_8_lacks_the_first_level_alone(name):
    with torch.device("meta"), torch.no_grad():
        backbone, whole = create_pyramid(name, first=3), create_pyramid(name)
        levels = backbone.levels(torch.randn(1, 3, 64, 128))
    assert backbone.level_channels == whole.level_channels[1:]
    assert [tuple(level.shape[2:]) for level in levels] == [(8, 16), (4, 8), (2, 4)]


def test_a_response_norm_weighs_channels_by_their_norms_over_the_frame():
    """ConvNeXt V2's Eq. 1 to 3, written out."""
    torch.manual_seed(0)
    norm = ResponseNorm(4)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(2, 4, 3, 5)
    norms = x.flatten(2).norm(dim=2)
    shares = norms / norms.mean(dim=1, keepdim=True)
    expected = norm.weight.view(4, 1, 1) * x * shares[..., None, None] + norm.bias.view(4, 1, 1) + x
    torch.testing.assert_close(norm(x), expected)


def test_topformer_injects_into_as_many_channels_as_asked_and_keeps_its_tokens():
    assert create_backbone("topformer-base", dim=48, drop_path=0.0).channels == (48, 48, 48, 384)
    assert create_backbone("seaformer-base", dim=48, drop_path=0.0).channels == (64, 128, 192, 256)


def test_an_unknown_backbone_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no backbone resnet; known are topformer-tiny, .*seaformer-large"):
        create_backbone("resnet", dim=48, drop_path=0.0)


def test_topformer_refuses_sides_that_are_no_multiple_of_64():
    with pytest.raises(ValueError, match=r"\(64, 96\).*multiples of 64"):
        create_backbone("topformer-tiny", dim=48, drop_path=0.0)(torch.randn(1, 3, 64, 96))


def test_topformer_s_pooling_is_adaptive_average_pooling():
    backbone = create_backbone("topformer-tiny", dim=48, drop_path=0.0).eval()
    backbone.blocks = nn.ModuleList()
    levels: list[Tensor] = []
    for tap in backbone.taps:
        backbone.rows[tap].register_forward_hook(lambda _, __, out: levels.append(out))
    with torch.no_grad():
        tokens = backbone(torch.randn(1, 3, 128, 192)).x6
    pooled = torch.cat([F.adaptive_avg_pool2d(level, (2, 3)) for level in levels], dim=1)
    torch.testing.assert_close(tokens, pooled)


def test_topformer_s_attention_has_no_scale():
    torch.manual_seed(0)
    attention = UnscaledAttention(channels=24, heads=3).eval()
    _randomise_norms(attention)
    x = torch.randn(2, 24, 2, 5)
    with torch.no_grad():
        q, k, v = (
            part(x).view(2, 3, -1, 10).transpose(2, 3)
            for part in (attention.query, attention.key, attention.value)
        )
        attended = (q @ k.transpose(2, 3)).softmax(-1) @ v
        scaled = F.scaled_dot_product_attention(q, k, v)
        out = attended.transpose(2, 3).reshape(2, -1, 2, 5)
        expected = attention.project(F.relu6(out))
        torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(attended, scaled, atol=0.1)


def test_seaformer_s_attention_is_axial_scaled_and_gates_the_detail_branch():
    torch.manual_seed(0)
    attention = SeaAttention(channels=24, heads=2, key_dim=8).eval()
    _randomise_norms(attention)
    x = torch.randn(2, 24, 3, 5)

    def along(axis, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Squeezed features (B, C, L) → (B, C, L)."""
        length = query.shape[-1]
        q, k = (
            features + F.interpolate(positions.embedding, size=length, mode="linear", align_corners=False)
            for features, positions in ((query, axis.query_positions), (key, axis.key_positions))
        )
        q, k, v = (features.view(2, 2, -1, length).transpose(2, 3) for features in (q, k, value))
        return F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(value.shape)

    with torch.no_grad():
        features = [part(x) for part in (attention.query, attention.key, attention.value)]
        rows = along(attention.rows, *(f.mean(3) for f in features)).unsqueeze(3)
        columns = along(attention.columns, *(f.mean(2) for f in features)).unsqueeze(2)
        rows, columns = (
            axis.project(F.relu6(out)) for axis, out in ((attention.rows, rows), (attention.columns, columns))
        )
        gate = F.hardsigmoid(attention.project(F.relu6(features[2] + rows + columns)))
        detail = attention.detail_project(F.relu6(attention.detail_depthwise(torch.cat(features, 1))))
        torch.testing.assert_close(attention(x), gate * detail, rtol=1e-4, atol=1e-5)


def test_sizes_are_the_published_ones():
    assert TOPFORMER_SIZES["base"].channels == (32, 64, 128, 160)
    assert sum(TOPFORMER_SIZES["tiny"].channels) == 208
    assert SEAFORMER_SIZES["large"].channels == (64, 128, 192, 256, 320)


@pytest.mark.parametrize(
    ("name", "parameters"),
    # timm's tf_efficientnet_lite0, 1 and 2, a classifier of 1,000 ImageNet classes included.
    list(zip(EFFICIENTNET_LITES, (4_652_008, 5_416_680, 6_092_072))),
)
def test_efficientnet_lite_has_the_published_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name, 128, 0.0)
        head = nn.Sequential(nn.Conv2d(backbone.channels[-1], 1280, 1, bias=False), nn.BatchNorm2d(1280))
        classifier = nn.Linear(1280, 1000)
    assert sum(p.numel() for part in (backbone, head, classifier) for p in part.parameters()) == parameters


@pytest.mark.parametrize(("kernel", "first", "last"), [(3, 0, 2), (5, -1, 3)])
def test_a_stride_of_2_sees_what_tensorflow_s_same_padding_shows_it(kernel: int, first: int, last: int):
    """TensorFlow pads an even side by k - 2, the smaller half in front: output i sees 2i + first to last."""
    layer = PaddedConvNorm(1, 1, kernel, stride=2).eval()
    nn.init.ones_(layer.conv.weight)
    seen = []
    for place in range(16):
        line = torch.zeros(1, 1, 16, 16)
        line[..., place] = 1.0
        seen.append(bool(layer(line)[0, 0, 4, 4] > 0))
    assert [place for place, found in enumerate(seen) if found] == list(range(8 + first, 8 + last + 1))


def test_efficientnet_sees_images_between_minus_1_and_1():
    backbone = create_backbone("efficientnet-lite0", 128, 0.0).eval()
    seen: list[Tensor] = []
    backbone.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.tensor([0.0, 127.5, 255.0, 255.0]).repeat_interleave(16).expand(1, 3, 64, 64)
    backbone(ImageNetNormalise()(image))
    torch.testing.assert_close(seen[0], image / 127.5 - 1, rtol=0, atol=1e-5)


def test_efficientnet_refuses_sides_that_are_no_multiple_of_64():
    with pytest.raises(ValueError, match=r"\(64, 96\).*multiples of 64"):
        create_backbone("efficientnet-lite0", dim=128, drop_path=0.0)(torch.randn(1, 3, 64, 96))


def test_drop_path_grows_from_nothing_to_the_rate():
    rates = [block.drop_path.rate for block in create_backbone("topformer-tiny", 48, drop_path=0.3).blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])
