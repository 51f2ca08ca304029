"""Every entry is written in operators that XNNPACK takes whole: one delegate call, nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from torch import Tensor, nn

from mobilevis.export import pte
from mobilevis.export.trace import trace_entries
from mobilevis.models import create_model
from mobilevis.models.blocks.layers import Pyramid
from mobilevis.models.entries import StreamingModel

pytestmark = pytest.mark.slow

SIZE = (128, 192)
# Each backbone once. An entry of these has some hundred nodes more for it.
WHOLE = [
    ("mobileinst-topformer-base", (320, 640)),
    ("mobileinst-seaformer-base", (320, 640)),
    ("mobileinst-yolox-nano-propagate", (320, 640)),
    ("mobileinst-efficientnet-lite0", SIZE),
]
# Between them, every operator that the flagships lack behind the backbone.
BEHIND_TOPFORMER = [
    (
        "mobileinst-topformer-tiny",
        {"instance_decoder": "global", "pooling": "avg4", "mask_decoder": "light-separable"},
    ),
    (
        "mobileinst-topformer-tiny",
        {"instance_decoder": "local-local", "pooling": "none", "mask_decoder": "sparseinst-1conv"},
    ),
    ("sparseinst-topformer-base", {}),
    ("mobileinst-topformer-tiny-propagate", {}),
]


class ConvPyramid(nn.Module):
    """A convolution for each level, in the place of a backbone that is lowered elsewhere."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Conv2d(3, count, 3, stride, 1) for count, stride in zip(channels, (8, 16, 32, 64))
        )

    def forward(self, x: Tensor) -> Pyramid:
        return Pyramid(*(level(x) for level in self.levels))


def assert_lowers_whole(model: StreamingModel, size: tuple[int, int]) -> None:
    entries = model.eval().streaming(size).entries
    delegation = pte.convert(trace_entries(model, entries)).delegation
    assert delegation.keys() == entries.keys()
    assert {entry: found for entry, found in delegation.items() if not found.whole} == {}


@pytest.mark.parametrize(("name", "size"), WHOLE)
def test_each_entry_lowers_to_one_delegate_call(name, size):
    assert_lowers_whole(create_model(name), size)


@pytest.mark.parametrize(("name", "config"), BEHIND_TOPFORMER)
def test_what_stands_behind_a_backbone_lowers_to_one_delegate_call(name, config):
    model = create_model(name, **config)
    model.backbone = ConvPyramid(model.backbone.channels)
    assert_lowers_whole(model, SIZE)
