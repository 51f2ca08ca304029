"""Several sets as one: classes matched by name, frames drawn by share and by how rare their classes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.categories import Category
from mobilevis.training.samples.records import FrameRecord, Videos


def with_classes(
    videos: Videos, own: Sequence[Category], wanted: Sequence[Category]
) -> list[list[FrameRecord]]:
    """Videos of a set with ``own`` classes as frames of the ``wanted`` ones, which have the same names.

    Instances of other classes are left out, and so are videos that show nothing else. Wanted classes that the
    set has not are not labelled in it.
    """
    index = {category.name: place for place, category in enumerate(wanted)}
    names = tuple(category.name for category in own)
    lacking = not index.keys() <= set(names)
    found = []
    for video in videos:
        frames = [
            replace(
                frame,
                instances=tuple(
                    (index[own[label].name], identity, mask)
                    for label, identity, mask in frame.instances
                    if own[label].name in index
                ),
                labelled=names if lacking and frame.labelled is None else frame.labelled,
            )
            for frame in video
        ]
        if any(frame.instances for frame in frames):
            found.append(frames)
    return found


def video_weights(
    sets: Sequence[Videos], shares: Sequence[float], repeat: float
) -> Optional[NDArray[np.float64]]:
    """How often each video's frames are drawn, all sets' videos in turn; None where all are drawn alike.

    Args:
        sets: the videos of each set.
        shares: of all sets but the first, which has the rest.
        repeat: threshold of repeat-factor sampling within each set; 0 is off.
    """
    if not shares and not repeat:
        return None
    parts = []
    for videos, share in zip(sets, [1.0 - sum(shares), *shares]):
        weights = repeat_factors(videos, repeat)
        drawn = float((weights * [len(video) for video in videos]).sum())
        parts.append(weights * (share / drawn))
    return np.concatenate(parts)


def repeat_factors(videos: Videos, threshold: float) -> NDArray[np.float64]:
    """max(1, √(threshold / f)) of each video's rarest class, f the part of the videos that show it."""
    shown = [{label for frame in video for label, _, _ in frame.instances} for video in videos]
    counts = Counter(label for labels in shown for label in labels)
    factor = {label: max(1.0, (threshold * len(videos) / count) ** 0.5) for label, count in counts.items()}
    return np.array([max((factor[label] for label in labels), default=1.0) for labels in shown])
