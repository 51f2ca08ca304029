"""Frames as they are on disk: where they lie, and what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Callable, Optional, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class LazyMasks(Sequence[NDArray[np.bool_]]):
    """Masks that are made one at a time.

    Args:
        sources: what each is made of.
        make: source → (H, W) bool.
    """

    def __init__(self, sources: Sequence[T], make: Callable[[T], NDArray[np.bool_]]) -> None:
        self._makers = [partial(make, source) for source in sources]

    def __len__(self) -> int:
        return len(self._makers)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.bool_]: ...

    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.bool_]]: ...

    def __getitem__(self, index: int | slice) -> NDArray[np.bool_] | list[NDArray[np.bool_]]:
        """Make a mask, or some."""
        if isinstance(index, slice):
            return [make() for make in self._makers[index]]
        return self._makers[index]()


@dataclass(frozen=True)
class SourceFrame:
    """A frame as it is on disk.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        masks: M masks, (H, W) bool, each made when it is asked for: of a frame of 64 megapixels they are as
            many bytes.
        labels: (M,) int64, class indices from 0.
        identities: (M,) int64, the same for an object in every frame of its video.
        labelled: (C,) bool, the classes of which every instance is annotated; None for all.
        crowd: (H, W) bool, where instances are that were not told apart; None for nowhere.
    """

    image: NDArray[np.uint8]
    masks: Sequence[NDArray[np.bool_]]
    labels: NDArray[np.int64]
    identities: NDArray[np.int64]
    labelled: Optional[NDArray[np.bool_]] = None
    crowd: Optional[NDArray[np.bool_]] = None
