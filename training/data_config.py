"""The tables of a training configuration that say what is learned from and what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

DATA_FORMATS = ("coco", "youtube-vis", "vipseg")


def require(condition: bool, what: str) -> None:
    """Refuse a value of a configuration, in the words of ``what``.

    Raises:
        ValueError: the condition does not hold.
    """
    if not condition:
        raise ValueError(what)


def require_known(value: str, known: Sequence[str], what: str) -> None:
    """Refuse a name that is not known, and list those that are.

    Raises:
        ValueError: it is not.
    """
    require(value in known, f"unknown {what} '{value}'; known: {', '.join(known)}")


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of a sample; both frames of a pair share them.

    Attributes:
        flip: probability of a left-right flip.
        scale: (low, high) of a random factor on the resize; above 1 the frame is cropped, below 1 it is
            padded.
        colour: largest relative change of brightness, contrast and saturation.
        hue: largest turn of all hues, in degrees.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (1.0, 1.0)
    colour: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.flip <= 1, "augment.flip must lie in [0, 1]")
        require(0 < self.scale[0] <= self.scale[1], "augment.scale must be (low, high) with 0 < low ≤ high")
        require(0 <= self.colour < 1, "augment.colour must lie in [0, 1)")
        require(0 <= self.hue <= 180, "augment.hue must lie in [0, 180] degrees")


@dataclass(frozen=True)
class DataConfig:
    """The data set and how its frames become batches.

    Attributes:
        format: "coco" (images), "youtube-vis" (videos; also OVIS and the synthetic sets) or "vipseg"
            (panoptic videos, whose classes tell the model which of them are stuff).
        annotations: the JSON file.
        images: the folder its file names are relative to.
        batch_size: samples (frames, or pairs of frames) of a step, over all processes.
        canvas: (height, width) that every frame is fitted into; or (0, 0) to choose the short side at random.
        short_sides: with no canvas: the short sides to choose from; a batch is padded to its largest frame.
        long_side: with no canvas: upper bound of the long side.
        workers: loader processes; 0 loads in the training process.
        cache: keep decoded frames in memory; for sets that fit.
        augment: random changes.
    """

    format: str
    annotations: str
    images: str
    batch_size: int
    canvas: tuple[int, int] = (0, 0)
    short_sides: tuple[int, ...] = ()
    long_side: int = 0
    workers: int = 0
    cache: bool = False
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        require_known(self.format, DATA_FORMATS, "data.format")
        require(self.batch_size > 0, "data.batch_size must be positive")
        require(self.workers >= 0, "data.workers must not be negative")
        if self.canvas == (0, 0):
            require(bool(self.short_sides) and min(self.short_sides) > 0, "data needs canvas or short_sides")
            require(self.long_side >= max(self.short_sides), "data.long_side is less than a short side")
        else:
            require(not self.short_sides, "data.canvas and data.short_sides exclude each other")
            require(
                min(self.canvas) > 0 and not any(side % 64 for side in self.canvas),
                "data.canvas must be multiples of 64",
            )


@dataclass(frozen=True)
class ClipConfig:
    """Training on clips, for models that read several frames at once.

    Attributes:
        length: frames of a clip; a video that is shorter repeats its last one.
        stride: frames from one of a clip to the next.
        still: probability of a clip that repeats its first frame, as a camera sees that stands still.
    """

    length: int = 1
    stride: int = 1
    still: float = 0.0

    def __post_init__(self) -> None:
        require(min(self.length, self.stride) > 0, "clip.length and clip.stride must be positive")
        require(0 <= self.still <= 1, "clip.still is a probability")


@dataclass(frozen=True)
class ValidationConfig:
    """What is measured while a run goes on, of the weights that ship; without annotations, nothing is.

    Attributes:
        annotations: the JSON file of a set that is held out, with the classes of ``data``.
        images: the folder its file names are relative to.
        format: as ``data.format``, and by default the same: "coco" measures mask AP on stills, "youtube-vis"
            AP of tracks, "vipseg" VPQ.
        every: iterations between validations; the last iteration has one, too.
        input_size: (height, width) of the network's input; (0, 0) takes ``data.canvas``.
        options: of the driver that runs the model, as ``mobilevis bench accuracy --option`` takes them.
        sheet_size: images or videos on the sheet of predictions; "vipseg" has no sheet.
        sheet_score: least score of a prediction on the sheet.
    """

    annotations: str = ""
    images: str = ""
    format: str = ""
    every: int = 1000
    input_size: tuple[int, int] = (0, 0)
    options: dict[str, Any] = field(default_factory=dict)
    sheet_size: int = 8
    sheet_score: float = 0.3

    def __post_init__(self) -> None:
        if self.format:
            require_known(self.format, DATA_FORMATS, "validation.format")
        require(self.every > 0, "validation.every must be positive")
        require(0 <= self.sheet_size <= 64, "validation.sheet_size must lie in [0, 64]")
        require(0 <= self.sheet_score <= 1, "validation.sheet_score must lie in [0, 1]")
        require(self.input_size == (0, 0) or min(self.input_size) > 0, "validation.input_size must be > 0")
        require(bool(self.annotations) == bool(self.images), "validation needs annotations and images")

    @property
    def enabled(self) -> bool:
        """Whether anything is measured."""
        return bool(self.annotations)
