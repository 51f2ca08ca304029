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
GRIDS = {3: (2, 2), 4: (1, 1), 5: (1, 1)}  # of cells, by level
CELLS = 6
CLASSES, KERNEL, EMBEDDING = 2, 6, 3
STEM = CLASSES + KERNEL + EMBEDDING
AT_ONCE = 4  # cells of each level


class SquaresArtefact:
    """A detector that finds bright squares: one feature, brightness; kernels also say where.

    Each square has two cells, the second one fainter; a cell's embedding is the square's colour.

    All that it knows of a cell is in the cell's own place of the stems; the rest of a patch says something
    else.

    Args:
        propagates: whether frames between keyframes have an entry of their own.
    """

    engine = "squares"
    path = "squares.onnx"
    threads = 1

    def __init__(self, propagates: bool = False) -> None:
        masks = TensorSpec("mask_features", (1, 1 + 5, H // 4, W // 4))
        located = (TensorSpec("boxes", (1, CELLS, 4)), TensorSpec("objectness", (1, CELLS, 1)))
        stems, towers = (
            tuple(TensorSpec(f"{name}{level}", (1, *grid, channels)) for level, grid in GRIDS.items())
            for name, channels in (("stem", STEM), ("tower", 2))
        )
        levels, rows = len(GRIDS), len(GRIDS) * AT_ONCE
        frame = TensorSpec("frame", (1, 3, H, W))
        propagate = EntrySpec((frame, TensorSpec("keyframe_features", masks.shape)), (masks,))
        self.metadata = Metadata(
            model="squares",
            driver="mobileinst-dense",
            entries={
                **({"propagate": propagate} if propagates else {}),
                "encode": EntrySpec((frame,), (masks, *located, *stems, *towers)),
                "decode": EntrySpec(
                    (
                        TensorSpec("likely_objectness", (1, rows, 1)),
                        TensorSpec("likely_inside", (AT_ONCE, levels, 5, 5)),
                        TensorSpec("likely_stems", (AT_ONCE, 5, 5, levels * STEM)),
                    ),
                    (TensorSpec("scores", (1, rows, CLASSES)),),
                ),
                "describe": EntrySpec(
                    (
                        TensorSpec("chosen_boxes", (1, rows, 4)),
                        TensorSpec("chosen_inside", (AT_ONCE, levels, 7, 7)),
                        TensorSpec("chosen_stems", (AT_ONCE, 7, 7, levels * STEM)),
                        TensorSpec("chosen_towers", (AT_ONCE, 3, 3, levels * 2)),
                    ),
                    (
                        TensorSpec("kernels", (1, rows, KERNEL)),
                        TensorSpec("embeddings", (1, rows, EMBEDDING)),
                    ),
                ),
                "segment": EntrySpec(
                    (TensorSpec("kernels", (1, SLOTS, KERNEL)), masks),
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
        found = self._find(frame)
        return {
            "mask_features": features[None].astype(np.float32),
            "boxes": found["boxes"],
            "objectness": found["scores"].max(axis=2, keepdims=True),
            **_as_maps(
                "stem", np.concatenate([found["scores"], found["kernels"], found["embeddings"]], axis=2)
            ),
            **_as_maps("tower", found["scores"]),
        }

    def _propagate(self, frame, keyframe_features):
        return {"mask_features": self._encode(frame)["mask_features"]}

    def _decode(self, likely_stems, **_):
        return {"scores": likely_stems[:, 2, 2].reshape(1, -1, STEM)[..., :CLASSES]}

    def _describe(self, chosen_stems, **_):
        read = chosen_stems[:, 3, 3].reshape(1, -1, STEM)[..., CLASSES:]
        return {"kernels": read[..., :KERNEL], "embeddings": read[..., KERNEL:]}

    def _find(self, frame):
        found = {
            "kernels": np.zeros((1, CELLS, KERNEL), np.float32),
            "scores": np.zeros((1, CELLS, 2), np.float32),
            "boxes": np.zeros((1, CELLS, 4), np.float32),
            "embeddings": np.zeros((1, CELLS, EMBEDDING), np.float32),
        }
        _, _, stats, _ = cv2.connectedComponentsWithStats((frame[0].max(axis=0) > 127).astype(np.uint8))
        for square, (x, y, w, h, _) in enumerate(stats[1:]):
            for cell, score in ((2 * square, 0.9 - 0.1 * square), (2 * square + 1, 0.5)):
                box = np.array([x / W, y / H, (x + w) / W, (y + h) / H])
                centre, squares = (box[:2] + box[2:]) / 2 - 0.5, 4 / (box[2:] - box[:2]) ** 2
                place = [*-squares, *(2 * squares * centre), 1.0 - (squares * centre**2).sum()]
                found["kernels"][0, cell] = [8.0, *place]
                found["scores"][0, cell] = (score, 0.05)
                found["boxes"][0, cell] = box
                found["embeddings"][0, cell] = frame[0, :, y + h // 2, x + w // 2]
        return found

    def _segment(self, kernels, mask_features):
        assert kernels.shape == (1, SLOTS, 6)
        return {"mask_logits": np.einsum("bsd,bdhw->bshw", kernels, mask_features).astype(np.float32)}


def _as_maps(name, cells):
    """What is known of all cells, (1, CELLS, C) → each level's map, (1, h, w, C), by name."""
    maps, first = {}, 0
    for level, (height, width) in GRIDS.items():
        of_level = cells[:, first : first + height * width]
        maps[f"{name}{level}"] = of_level.reshape(1, height, width, -1)
        first += height * width
    return maps
