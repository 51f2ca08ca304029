"""A stand-in for a dense model: a detector of bright squares."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np

from mobilevis.runtime.categories import Category
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec

H, W = 96, 160
SLOTS = 4
SIDE = 24  # of the squares, in the input's pixels
CELLS = 6


class SquaresArtefact:
    """A detector that finds bright squares: one feature, brightness; kernels also say where.

    Each square has two cells, the second one fainter; a cell's embedding is the square's colour.

    Args:
        locates: whether ``encode`` says each frame's boxes, as exports of today do; otherwise ``decode``.
        propagates: whether frames between keyframes have an entry of their own.
    """

    engine = "squares"
    threads = 1

    def __init__(self, locates: bool = False, propagates: bool = False) -> None:
        masks = TensorSpec("mask_features", (1, 1 + 5, H // 4, W // 4))
        level = TensorSpec("level3", (1, 3, H, W))
        cells = {"kernels": 6, "scores": 2, "boxes": 4, "embeddings": 3}
        located = (TensorSpec("boxes", (1, CELLS, 4)), TensorSpec("objectness", (1, CELLS, 1)))
        if locates:
            del cells["boxes"]
        self.locates = locates
        propagate = EntrySpec(
            (TensorSpec("frame", (1, 3, H, W)), TensorSpec("keyframe_features", masks.shape)), (masks,)
        )
        self.metadata = Metadata(
            model="squares",
            driver="mobileinst-dense",
            entries={
                **({"propagate": propagate} if propagates else {}),
                "encode": EntrySpec(
                    (TensorSpec("frame", (1, 3, H, W)),), (masks, *(located if locates else ()), level)
                ),
                "decode": EntrySpec(
                    (level,), tuple(TensorSpec(name, (1, CELLS, width)) for name, width in cells.items())
                ),
                "segment": EntrySpec(
                    (TensorSpec("kernels", (1, SLOTS, 6)), masks),
                    (TensorSpec("mask_logits", (1, SLOTS, H // 4, W // 4)),),
                ),
            },
            input_size=(H, W),
            classes=(Category(1, "square"), Category(2, "other")),
            options={"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
        )
        self.calls: Counter[str] = Counter()

    def run(self, entry, inputs):
        self.calls[entry] += 1
        return getattr(self, f"_{entry}")(**inputs)

    def _encode(self, frame):
        bright = cv2.resize(frame[0].max(axis=0) / 255.0, (W // 4, H // 4), interpolation=cv2.INTER_AREA)
        x, y = np.meshgrid(
            (np.arange(W // 4) + 0.5) / (W // 4) - 0.5, (np.arange(H // 4) + 0.5) / (H // 4) - 0.5
        )
        features = np.stack([bright - 0.5, x * x, y * y, x, y, np.ones_like(x)])
        encoded = {"mask_features": features[None].astype(np.float32), "level3": frame}
        if self.locates:
            cells = self._find(frame)
            encoded.update(boxes=cells["boxes"], objectness=cells["scores"].max(axis=2, keepdims=True))
        return encoded

    def _propagate(self, frame, keyframe_features):
        return {"mask_features": self._encode(frame)["mask_features"]}

    def _decode(self, level3):
        found = self._find(level3)
        return {tensor.name: found[tensor.name] for tensor in self.metadata.entries["decode"].outputs}

    def _find(self, level3):
        found = {
            "kernels": np.zeros((1, CELLS, 6), np.float32),
            "scores": np.zeros((1, CELLS, 2), np.float32),
            "boxes": np.zeros((1, CELLS, 4), np.float32),
            "embeddings": np.zeros((1, CELLS, 3), np.float32),
        }
        _, _, stats, _ = cv2.connectedComponentsWithStats((level3[0].max(axis=0) > 127).astype(np.uint8))
        for square, (x, y, w, h, _) in enumerate(stats[1:]):
            for cell, score in ((2 * square, 0.9 - 0.1 * square), (2 * square + 1, 0.5)):
                box = np.array([x / W, y / H, (x + w) / W, (y + h) / H])
                centre, squares = (box[:2] + box[2:]) / 2 - 0.5, 4 / (box[2:] - box[:2]) ** 2
                place = [*-squares, *(2 * squares * centre), 1.0 - (squares * centre**2).sum()]
                found["kernels"][0, cell] = [8.0, *place]
                found["scores"][0, cell] = (score, 0.05)
                found["boxes"][0, cell] = box
                found["embeddings"][0, cell] = level3[0, :, y + h // 2, x + w // 2]
        return found

    def _segment(self, kernels, mask_features):
        assert kernels.shape == (1, SLOTS, 6)
        return {"mask_logits": np.einsum("bsd,bdhw->bshw", kernels, mask_features).astype(np.float32)}
