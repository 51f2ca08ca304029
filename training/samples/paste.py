"""Objects of one still pasted over another: simple copy-paste (Ghiasi et al., CVPR 2021, §3)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mobilevis.training.samples.augment import View, random_view
from mobilevis.training.samples.config import AugmentConfig
from mobilevis.training.samples.frames import LazyMasks, SourceFrame


def paste_objects(
    rng: np.random.Generator, onto: SourceFrame, other: SourceFrame, config: AugmentConfig
) -> SourceFrame:
    """A frame with some objects of another one in front of all that it shows.

    The other frame is flipped, resized and placed on its own. What is pasted hides what lies under it: masks
    and crowds lose those pixels, and an object of which none is left keeps an empty mask, which no sample
    takes over. Edges are not blended: §4.5 finds no use in that.

    Args:
        rng: source of randomness.
        onto: its size, its crowd and the classes that are labelled in it are the result's: of another class
            no more than what is pasted is labelled there.
        other: at least one of its objects is pasted, which may lie outside the frame.
        config: how far the other frame is resized.

    Returns:
        The objects of ``onto`` and then the pasted ones, whose identities are new.
    """
    chosen = rng.permutation(len(other.masks))[: rng.integers(1, len(other.masks) + 1)]
    view = _place(rng, onto.image.shape[:2], other.image.shape[:2], config)
    pasted = [partial(_look, other, view, index) for index in chosen]
    front = np.zeros(onto.image.shape[:2], dtype=bool)
    for look in pasted:
        front |= look()
    visible = np.asfortranarray(~front)  # as masks are decoded: the product takes a tenth of the time
    own = [partial(_behind, visible, onto, index) for index in range(len(onto.masks))]
    first = int(onto.identities.max(initial=0)) + 1
    return replace(
        onto,
        image=np.where(front[..., None], view.frame(other.image), onto.image),
        masks=LazyMasks([*own, *pasted], lambda make: make()),
        labels=np.concatenate([onto.labels, other.labels[chosen]]),
        identities=np.concatenate([onto.identities, first + np.arange(len(chosen))]),
        crowd=None if onto.crowd is None else onto.crowd & visible,
    )


def _place(
    rng: np.random.Generator, canvas: tuple[int, int], source: tuple[int, int], config: AugmentConfig
) -> View:
    """How the other frame lies over this one: anywhere, where it is the smaller of the two."""
    view = random_view(rng, source, canvas, canvas, config)
    y, x = (int(rng.integers(max(0, side - size) + 1)) for side, size in zip(canvas, view.size))
    return replace(view, motion=np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))


def _look(other: SourceFrame, view: View, index: int) -> NDArray[np.bool_]:
    return view.full_mask(other.masks[index])


def _behind(visible: NDArray[np.bool_], onto: SourceFrame, index: int) -> NDArray[np.bool_]:
    return onto.masks[index] & visible
