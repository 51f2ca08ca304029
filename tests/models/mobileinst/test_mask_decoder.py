"""Mask decoders: what each reads, and the mask features that it gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobilevis.models.blocks.layers import Pyramid
from mobilevis.models.mobileinst.mask_decoder import MASK_DECODERS, PyramidPooling

DIM, TOKENS = 32, 48
POSITIONS = {"x3": (DIM, 8, 16), "x4": (DIM, 4, 8), "x5": (DIM, 2, 4), "x6": (TOKENS, 1, 2)}


def _decoder(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MASK_DECODERS[name](DIM, TOKENS).eval()


def _pyramid(batch: int = 1) -> Pyramid:
    random = torch.Generator().manual_seed(1)
    return Pyramid(*(torch.randn(batch, *shape, generator=random) for shape in POSITIONS.values()))


def _features(decoder: nn.Module, pyramid: Pyramid) -> Tensor:
    with torch.no_grad():
        return decoder(pyramid)


@pytest.mark.parametrize("name", MASK_DECODERS)
def test_mask_features_are_at_an_eighth_and_carry_both_signs(name):
    features = _features(_decoder(name), _pyramid(batch=2))
    assert features.shape == (2, DIM, 8, 16)
    assert features.min() < 0 < features.max()


@pytest.mark.parametrize("name", MASK_DECODERS)
@pytest.mark.parametrize("level", POSITIONS)
def test_all_levels_are_read_and_the_tokens_by_semantic_enhancers_only(name, level):
    decoder, pyramid = _decoder(name), _pyramid()
    changed = pyramid._replace(**{level: -getattr(pyramid, level)})
    reads = not torch.equal(_features(decoder, pyramid), _features(decoder, changed))
    assert reads is (level != "x6" or name in ("iterative-se", "light", "light-separable"))


def test_sparseinsts_pooling_shows_every_position_the_whole_of_the_coarsest_level():
    """FPN's coarsest level reaches its neighbourhood only; pooled, it reaches the far corner."""
    near = _pyramid()
    far = near._replace(x5=near.x5.clone())
    far.x5[..., -1, -1] += 10.0
    for name, reached in (("fpn-1conv", False), ("sparseinst-1conv", True)):
        before, after = (_features(_decoder(name), pyramid) for pyramid in (near, far))
        assert torch.equal(before[..., 0, 0], after[..., 0, 0]) is not reached


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("fpn-1conv", 3),
        ("sparseinst-1conv", 3),
        ("sparseinst-4conv", 6),
        ("iterative", 9),
        ("iterative-se", 9),
    ],
)
def test_the_number_of_3x3_convolutions_is_the_one_that_table_5_gives(name, count):
    convolutions = [
        m for m in _decoder(name).modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert len(convolutions) == count


@pytest.mark.slow
def test_pyramid_pooling_converts_to_tflite_with_its_single_bin():
    """litert-torch 0.10.0 refuses some products that give one value for each channel."""
    litert_torch = pytest.importorskip("litert_torch")
    torch.manual_seed(0)
    pooling, x = PyramidPooling(8).eval(), torch.randn(1, 8, 2, 4)
    converted = torch.as_tensor(litert_torch.convert(pooling, (x,))(x))
    torch.testing.assert_close(converted, pooling(x).detach(), rtol=1e-4, atol=1e-5)
