"""What every driver does with a frame: fit it to the input, encode it, choose and pad what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array, Image
from mobilevis.runtime.drivers.options import InstanceOptions, class_filter
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.letterbox import Letterbox, LetterboxResizer
from mobilevis.runtime.stages import Stages

Features = dict[str, Array]


class EncodedFrame(NamedTuple):
    """One frame after ``encode``.

    Attributes:
        features: what the entry returned.
        letterbox: where the frame lies in the input.
        milliseconds: the frame's stages so far.
    """

    features: Features
    letterbox: Letterbox
    milliseconds: dict[str, float]


class FrameEncoder:
    """Letterboxes frames and runs the entry that reads them; frames of one size share their letterbox and its
    memory."""

    def __init__(self, artefact: Artefact) -> None:
        self._artefact = artefact
        self._letterbox: Optional[Letterbox] = None

    @property
    def picture(self) -> NDArray[np.uint8]:
        """(h, w) uint8, the green of the last frame's input, without the padding; its memory is the next
        frame's, too."""
        return self._resizer.planes[1]

    def encode(self, frame: Image, stages: Stages) -> tuple[Features, Letterbox]:
        """Fit and encode one frame, (H, W, 3) uint8 RGB, as the stages ``resize`` and ``encode``."""
        return self._run("encode", {}, frame, stages)

    def propagate(self, frame: Image, keyframe_features: Array, stages: Stages) -> tuple[Features, Letterbox]:
        """Fit one frame, (H, W, 3) uint8 RGB, and propagate its keyframe's mask features to it, as the stages
        ``resize`` and ``propagate``."""
        return self._run("propagate", {"keyframe_features": keyframe_features}, frame, stages)

    def _run(self, entry: str, tensors: Features, frame: Image, stages: Stages) -> tuple[Features, Letterbox]:
        size = (frame.shape[0], frame.shape[1])
        with stages("resize"):
            if self._letterbox is None or self._letterbox.frame_size != size:
                self._letterbox = Letterbox.fit(size, self._artefact.metadata.input_size)
                self._resizer = LetterboxResizer(self._letterbox)
            tensor = self._resizer.resize(frame)
        with stages(entry):
            return self._artefact.run(entry, {"frame": tensor, **tensors}), self._letterbox

    def encode_for_clip(self, frame: Image) -> EncodedFrame:
        """Encode one frame, (H, W, 3) uint8 RGB, that waits for its clip."""
        stages = Stages()
        with stages("frame"):
            features, letterbox = self.encode(frame, stages)
        return EncodedFrame(features, letterbox, stages.milliseconds)


def run_entry(artefact: Artefact, entry: str, tensors: Features) -> Features:
    """Run an entry on those of the tensors that it takes."""
    wanted = artefact.metadata.entries[entry].inputs
    return artefact.run(entry, {tensor.name: tensors[tensor.name] for tensor in wanted})


def join_frames(frames: Sequence[EncodedFrame]) -> Features:
    """The features of T frames as a clip's: name → (T, …)."""
    names = frames[0].features
    return {name: np.concatenate([frame.features[name] for frame in frames]) for name in names}


class Selection:
    """Which queries a driver shows: the best ones of the wanted classes, at most ``max_instances``.

    Args:
        artefact: says how many, and the classes.
        options: the least score, and the classes to keep.

    Raises:
        ValueError: a class is not one of the artefact's.
    """

    def __init__(self, artefact: Artefact, options: InstanceOptions) -> None:
        self.max_instances = Facts(artefact.metadata).whole_number("max_instances")
        self._least_score = options.score_threshold
        self._kept_classes = class_filter(artefact.metadata.classes, options.classes)
        self.best_score = 0.0

    def keep_classes(self, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each class index (S,) is wanted, (S,)."""
        if self._kept_classes is None:
            return np.ones(len(classes), dtype=np.bool_)
        return np.asarray(self._kept_classes[classes])

    def drop_classes(self, class_scores: Array) -> Array:
        """Class scores (N, L), 0 for classes that are not to be kept."""
        return class_scores if self._kept_classes is None else class_scores * self._kept_classes

    def watch(self, class_scores: Array) -> None:
        """Note a frame's or clip's class scores (N, L): ``best_score`` is the highest of a class to keep."""
        kept = class_scores if self._kept_classes is None else class_scores[:, self._kept_classes]
        self.best_score = max(self.best_score, float(kept.max(initial=0.0)))

    def choose(self, scores: Array, wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The queries to show, by falling score.

        Args:
            scores: (N,) in [0, 1].
            wanted: (N,), whether a query may be shown.

        Returns:
            At most ``max_instances`` indices.
        """
        best = np.argsort(-scores, kind="stable")
        return best[(wanted & (scores >= self._least_score))[best]][: self.max_instances]

    def pad(self, rows: Array, axis: int = 0) -> Array:
        """Fill an axis up with zeros to ``max_instances``, the fixed shape that ``segment`` takes."""
        shape = list(rows.shape)
        shape[axis] = self.max_instances
        padded = np.zeros(shape, dtype=rows.dtype)
        padded[(slice(None),) * axis + (slice(rows.shape[axis]),)] = rows
        return padded
