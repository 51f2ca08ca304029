"""The parts of Mask2Former, against what PyTorch and the paper say."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import GroupNorm, MultiHeadAttention
from mobilevis.models.blocks.mask2former import MaskedDecoder, PixelDecoder, mask_guides


def decoder() -> MaskedDecoder:
    torch.manual_seed(0)
    return MaskedDecoder(dim=32, heads=4, num_queries=5, num_classes=3, layers=3, hidden=64).eval()


def test_group_norm_is_pytorchs():
    x = torch.randn(2, 64, 5, 7)
    mine, theirs = GroupNorm(32, 64), nn.GroupNorm(32, 64)
    for norm in (mine, theirs):
        nn.init.constant_(norm.weight, 1.5)
        nn.init.constant_(norm.bias, -0.5)
    torch.testing.assert_close(mine(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_the_pixel_decoder_keeps_every_stride():
    torch.manual_seed(0)
    model = PixelDecoder((8, 16, 24, 32), dim=32, heads=4, layers=1, points=2, hidden=48)
    features = [torch.randn(2, c, 64 // s, 96 // s) for c, s in zip((8, 16, 24, 32), (4, 8, 16, 32))]
    mask_features, levels = model(features)
    assert mask_features.shape == (2, 32, 16, 24)
    assert [level.shape[2:] for level in levels] == [(2, 3), (4, 6), (8, 12)]


def test_a_guide_gives_the_resampled_mask_prediction():
    """The saving in the layers' attention masks is exact: resampling commutes with the kernels' product."""
    model = decoder()
    queries, mask_features = torch.randn(1, 5, 32), torch.randn(1, 32, 16, 24)
    kernels = model.kernels(queries)
    whole = torch.bmm(kernels, mask_features.flatten(2)).view(1, 5, 16, 24)
    expected = F.interpolate(whole, size=(4, 6), mode="bilinear", align_corners=False)
    (guide,) = mask_guides(mask_features, [torch.empty(1, 32, 4, 6)])
    torch.testing.assert_close(torch.bmm(kernels, guide.flatten(2)).view(1, 5, 4, 6), expected)


@pytest.mark.parametrize(("logit", "sees"), [(-2.0, False), (2.0, True)])
def test_a_query_sees_only_what_its_mask_covers(logit, sees):
    layer, memory = decoder().layers[0], torch.randn(1, 32, 2, 4)
    query, position = torch.randn(1, 1, 32), torch.zeros(1, 1, 32)
    mask_logits = torch.full((1, 1, 8), 2.0)
    mask_logits[..., 4:] = logit
    changed = memory.clone()
    changed[:, :, 1] = torch.randn(1, 32, 4)  # what the second row of cells holds
    with torch.no_grad():
        before, after = (layer(query, position, cells, mask_logits) for cells in (memory, changed))
    assert torch.allclose(before, after, atol=1e-6) is not sees


def test_a_query_whose_mask_is_empty_sees_everything():
    layer, memory = decoder().layers[0], torch.randn(1, 32, 2, 4)
    queries, positions = torch.randn(1, 5, 32), torch.zeros(1, 5, 32)
    with torch.no_grad():
        nothing = layer(queries, positions, memory, torch.full((1, 5, 8), -3.0))
        everything = layer(queries, positions, memory, torch.full((1, 5, 8), 3.0))
    torch.testing.assert_close(nothing, everything, rtol=1e-3, atol=1e-4)


def test_a_bias_is_added_to_the_scores_of_every_head_of_its_image():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2)
    query, key, bias = torch.randn(2, 3, 8), torch.randn(2, 4, 8), torch.randn(2, 3, 4)
    both = attention(query, key, key, bias)
    alone = [attention(q[None], k[None], k[None], b[None]) for q, k, b in zip(query, key, bias)]
    torch.testing.assert_close(both, torch.cat(alone))
    assert not torch.allclose(both, attention(query, key, key))
