"""A network that anyone can check by eye: its three queries segment red, green and blue."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec

H, W = 64, 128
QUERIES, SLOTS = 3, 2


class ColorArtefact:
    """Has MobileInst's entries: features are colours, kernels pick one colour each.

    The order of the queries rotates from one decode to the next, as a network's may.
    """

    engine = "colours"
    threads = 1

    def __init__(self) -> None:
        features = TensorSpec("mask_features", (1, 4, H // 8, W // 8))
        context = TensorSpec("global_features", (1, 4, H // 64, W // 64))
        kernels = TensorSpec("kernels", (1, SLOTS, 4))
        self.metadata = Metadata(
            model="colours",
            driver="mobileinst",
            entries={
                "encode": EntrySpec((TensorSpec("frame", (1, 3, H, W)),), (features, context)),
                "decode": EntrySpec(
                    (features, context),
                    (TensorSpec("kernels", (1, QUERIES, 4)), TensorSpec("scores", (1, QUERIES, 3))),
                ),
                "segment": EntrySpec(
                    (kernels, features), (TensorSpec("mask_logits", (1, SLOTS, H // 4, W // 4)),)
                ),
            },
            input_size=(H, W),
            classes=(Category(3, "red"), Category(5, "green"), Category(9, "blue")),
            options={"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
        )
        self.calls: Counter[str] = Counter()

    def run(self, entry, inputs):
        self.calls[entry] += 1
        return getattr(self, f"_{entry}")(**inputs)

    def _encode(self, frame):
        assert frame.shape == (1, 3, H, W)
        assert frame.dtype == np.float32
        small = cv2.resize(frame[0].transpose(1, 2, 0), (W // 8, H // 8), interpolation=cv2.INTER_AREA)
        pure = np.stack([2 * small[..., c] - small.sum(axis=2) for c in range(3)]) / 255.0
        features = np.concatenate([pure, np.ones((1, H // 8, W // 8))])[None].astype(np.float32)
        return {"mask_features": features, "global_features": np.zeros((1, 4, H // 64, W // 64), np.float32)}

    def _decode(self, mask_features, global_features):
        order = np.roll(np.arange(3), self.calls["decode"])
        kernels = np.zeros((1, 3, 4), dtype=np.float32)
        kernels[0, np.arange(3), order] = 20.0
        kernels[0, :, 3] = -10.0
        scores = np.zeros((1, 3, 3), dtype=np.float32)
        seen = mask_features[0, :3].max(axis=(1, 2))
        scores[0, np.arange(3), order] = np.clip(seen[order], 0.01, 0.95) - 0.02 * order
        return {"kernels": kernels, "scores": np.clip(scores, 0.0, 1.0)}

    def _segment(self, kernels, mask_features):
        assert kernels.shape == (1, SLOTS, 4)
        logits = np.einsum("bsd,bdhw->bshw", kernels, mask_features)
        up = [cv2.resize(m, (W // 4, H // 4), interpolation=cv2.INTER_LINEAR) for m in logits[0]]
        return {"mask_logits": np.stack(up)[None].astype(np.float32)}


@pytest.fixture
def artefact() -> ColorArtefact:
    return ColorArtefact()


@pytest.fixture
def moving_squares():
    """Ten 90x150 frames: a red square moves right, a green one moves down."""
    frames = np.zeros((10, 90, 150, 3), dtype=np.uint8)
    for t, frame in enumerate(frames):
        frame[20:50, 10 + 5 * t : 40 + 5 * t, 0] = 255
        frame[30 + 2 * t : 60 + 2 * t, 110:140, 1] = 255
    return frames
