"""Where samples come from and how they are changed, drawn and joined: ``[data]`` and ``[clip]``."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

from mobilevis.training.checks import require, require_known

DATA_FORMATS = ("coco", "youtube-vis", "vipseg", "yolo-seg")
STILL_FORMATS = ("coco", "yolo-seg")


@dataclass(frozen=True)
class NearViewConfig:
    """How a second look at a still differs from the first, as the next frames of a video do; 0 is not at all.

    Attributes:
        turn: largest rotation, in degrees.
        scale: largest relative change of size.
        shift: largest shift, as a part of the canvas's sides.
        blur: longest path of motion blur, in pixels.
        colour: largest relative change of brightness and contrast.
    """

    turn: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    blur: int = 0
    colour: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.turn <= 180, "near.turn must lie in [0, 180] degrees")
        require(0 <= self.scale < 1 and 0 <= self.shift < 1, "near.scale and near.shift must lie in [0, 1)")
        require(0 <= self.blur < 64 and 0 <= self.colour < 1, "near.blur is < 64 pixels and near.colour < 1")

    def __bool__(self) -> bool:
        return any(astuple(self))


@dataclass(frozen=True)
class SetConfig:
    """A further data set; its classes are matched to the first one's by name.

    Attributes:
        annotations: the JSON file.
        images: the folder its file names are relative to.
        share: the part of all samples that are drawn from it.
    """

    annotations: str
    images: str
    share: float

    def __post_init__(self) -> None:
        require(0 < self.share < 1, "the share of a set of data.also must lie in (0, 1)")


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of a sample; all its frames share them but for ``near``.

    Attributes:
        flip: probability of a left-right flip.
        scale: (low, high) of a random factor on the resize; above 1 the frame is cropped, below 1 it is
            padded.
        colour: largest relative change of brightness, contrast and saturation.
        hue: largest turn of all hues, in degrees.
        near: how another frame of a sample that shows the same still differs from the first.
        paste: probability that some objects of another still are pasted over it, flipped and resized on their
            own (simple copy-paste, Ghiasi et al., 2021).
    """

    flip: float = 0.5
    scale: tuple[float, float] = (1.0, 1.0)
    colour: float = 0.0
    hue: float = 0.0
    near: NearViewConfig = field(default_factory=NearViewConfig)
    paste: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.flip <= 1, "augment.flip must lie in [0, 1]")
        require(0 < self.scale[0] <= self.scale[1], "augment.scale must be (low, high) with 0 < low ≤ high")
        require(0 <= self.colour < 1, "augment.colour must lie in [0, 1)")
        require(0 <= self.hue <= 180, "augment.hue must lie in [0, 180] degrees")
        require(0 <= self.paste <= 1, "augment.paste is a probability")


@dataclass(frozen=True)
class DataConfig:
    """The data set and how its frames become batches.

    Attributes:
        format: "coco" or "yolo-seg" (images), "youtube-vis" (videos; also OVIS and the synthetic sets) or
            "vipseg" (panoptic videos, whose classes tell the model which of them are stuff).
        annotations: the JSON file; of "yolo-seg" its data.yaml, which names the classes.
        images: the folder its file names are relative to.
        batch_size: samples (frames, or pairs of frames) of a step, over all processes.
        canvas: (height, width) that every frame is fitted into; or (0, 0) to choose the short side at random.
        short_sides: with no canvas: the short sides to choose from; a batch is padded to its largest frame.
        long_side: with no canvas: upper bound of the long side.
        workers: loader processes; 0 loads in the training process.
        cache: keep decoded frames in memory; for sets that fit.
        augment: random changes.
        also: further sets of the same format, and how often each is drawn from; the first one has the rest.
        repeat: frames of classes that fewer than this part of a set's frames show are drawn more often, by
            the root of what they lack (repeat-factor sampling, Gupta et al., LVIS, 2019, §4.2); 0 draws all
            alike.
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
    also: tuple[SetConfig, ...] = ()
    repeat: float = 0.0

    def __post_init__(self) -> None:
        require_known(self.format, DATA_FORMATS, "data.format")
        stills = self.format in STILL_FORMATS
        require(stills or not self.augment.paste, f"augment.paste is for {' and '.join(STILL_FORMATS)}")
        require(self.batch_size > 0, "data.batch_size must be positive")
        require(self.workers >= 0, "data.workers must not be negative")
        require(sum(item.share for item in self.also) < 1, "data.also must leave a share to the first set")
        require(0 <= self.repeat < 1, "data.repeat must lie in [0, 1)")
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
