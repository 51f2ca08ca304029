"""Objects whose identities are known: orthogonal vectors, and squares for masks."""

from __future__ import annotations

import numpy as np

DIM = 32


def objects(count: int, seed: int) -> np.ndarray:
    """Vectors of different objects, (count, DIM): orthogonal, so that the right association is known."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))
    return basis[:count].astype(np.float32)


def seen(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The vectors as another keyframe gives them: another length, and noise."""
    noise = rng.normal(scale=0.05, size=vectors.shape)
    return ((vectors + noise) * rng.uniform(0.5, 2.0, size=(len(vectors), 1))).astype(np.float32)


def boxes(*places: tuple[int, int]) -> np.ndarray:
    """Masks (K, 20, 40): squares of 8 by 8 at the rows and columns given."""
    masks = np.zeros((len(places), 20, 40), dtype=np.bool_)
    for mask, (y, x) in zip(masks, places):
        mask[y : y + 8, x : x + 8] = True
    return masks
