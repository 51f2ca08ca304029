"""The options that every driver takes, with one meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.metadata import ClassInfo


@dataclass(frozen=True)
class InstanceOptions:
    """Which instances a driver returns; a family's own options derive from it.

    Attributes:
        score_threshold: instances below it are not returned.
        mask_threshold: foreground probability of a mask pixel.
        classes: names of the categories to keep; None keeps all.
    """

    score_threshold: float = 0.3
    mask_threshold: float = 0.5
    classes: Optional[Sequence[str]] = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score_threshold <= 1.0 or not 0.0 < self.mask_threshold < 1.0:
            raise ValueError("score and mask thresholds are probabilities")


def class_filter(known: Sequence[ClassInfo], names: Optional[Sequence[str]]) -> Optional[NDArray[np.bool_]]:
    """Which class indices to keep, (C,) bool; None where all are kept.

    Args:
        known: the artefact's classes.
        names: of the categories to keep, or None.

    Raises:
        ValueError: a name is not one of the artefact's; the text lists these.
    """
    if names is None:
        return None
    own = [info.name for info in known]
    unknown = sorted(set(names) - set(own))
    if unknown:
        raise ValueError(f"no class {', '.join(unknown)}; the artefact knows {', '.join(own)}")
    return np.array([name in names for name in own])
