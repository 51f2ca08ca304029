"""Every entry is written in operators that XNNPACK takes whole: one delegate call, nothing beside it."""

from __future__ import annotations

import pytest

from mobilevis.export import pte
from mobilevis.export.trace import trace_entries
from mobilevis.models import create_model

FLAGSHIPS = [(name, (320, 640), {}) for name in ("mobileinst-topformer-base", "mobileinst-seaformer-base")]
# Between them, every operator that the flagships lack.
ABLATIONS = [
    {"instance_decoder": "global", "pooling": "avg4", "mask_decoder": "iterative"},
    {"instance_decoder": "local-local", "pooling": "none", "mask_decoder": "sparseinst-1conv"},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "config"),
    [
        *FLAGSHIPS,
        *(("mobileinst-topformer-tiny", (128, 192), config) for config in ABLATIONS),
        ("sparseinst-topformer-base", (128, 192), {}),
        ("mobileinst-yolox-nano-propagate", (320, 640), {}),
        ("mobileinst-topformer-tiny-propagate", (128, 192), {}),
        ("mobileinst-efficientnet-lite0", (128, 192), {}),
    ],
)
def test_each_entry_lowers_to_one_delegate_call(name, size, config):
    model = create_model(name, **config).eval()
    delegation = pte.convert(trace_entries(model, model.streaming(size).entries)).delegation
    assert delegation.keys() == model.streaming(size).entries.keys()
    assert {entry: found for entry, found in delegation.items() if not found.whole} == {}
