"""Objects whose identities are known: orthogonal vectors, and squares for what masks show."""

from __future__ import annotations

import numpy as np

from mobilevis.runtime.association.regions import Foreground, find_foregrounds

DIM = 32
GRID = (20, 40)


def objects(count: int, seed: int) -> np.ndarray:
    """Vectors of different objects, (count, DIM): orthogonal, so that the right association is known."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))
    return basis[:count].astype(np.float32)


def seen(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The vectors as another keyframe gives them: another length, and noise."""
    noise = rng.normal(scale=0.05, size=vectors.shape)
    return ((vectors + noise) * rng.uniform(0.5, 2.0, size=(len(vectors), 1))).astype(np.float32)


def shown_boxes(*places: tuple[int, int]) -> list[Foreground]:
    """What K masks show on ``GRID``: squares of 8 by 8 at the rows and columns given."""
    masks = np.zeros((len(places), *GRID), dtype=np.bool_)
    for mask, (y, x) in zip(masks, places):
        mask[y : y + 8, x : x + 8] = True
    return find_foregrounds(np.where(masks, 9.0, -9.0).astype(np.float32), 0.0, GRID)
