"""Samples and batches: source frames, augmented, padded and stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from mobilevis.training.objectives.matcher import Target
from mobilevis.training.samples.augment import (
    MASK_STRIDE,
    View,
    apply_colour,
    colour_matrix,
    compose_colours,
    motion_blur,
    near_motion,
    random_view,
)
from mobilevis.training.samples.batches import SampleKey
from mobilevis.training.samples.config import ClipConfig, DataConfig, NearViewConfig
from mobilevis.training.samples.frames import SourceFrame
from mobilevis.training.samples.paste import paste_objects
from mobilevis.training.samples.sources import FrameSource

# The model's input must be a multiple of its coarsest stride.
SIZE_MULTIPLE = 64
# Fewer pixels than one cell of the predicted mask cannot be learned.
MIN_MASK_AREA = 1.0


@dataclass(frozen=True)
class Sample:
    """One augmented frame.

    Attributes:
        frame: (H, W, 3) uint8 RGB.
        labels: (M,) int64.
        masks: (M, H/4, W/4) uint8, coverage of each pixel from 0 to 255.
        identities: (M,) int64.
        labelled: (C,) bool, the classes of which every instance is here; None for all.
        crowd: (H/4, W/4) uint8, coverage by instances that were not told apart; None for nowhere.
    """

    frame: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8]
    identities: NDArray[np.int64]
    labelled: Optional[NDArray[np.bool_]] = None
    crowd: Optional[NDArray[np.uint8]] = None


@dataclass(frozen=True)
class Batch:
    """Stacked frames, and what they show: few tensors, however many frames, on their way between processes
    and to the device.

    Attributes:
        frames: (F·B, 3, H, W) uint8 RGB, F frames of each of B samples: first the samples' first frames.
        counts: objects of each frame; the M objects of all frames follow one another.
        labels: (M,) int64.
        masks: (M, H/4, W/4) uint8, coverage of each pixel from 0 to 255.
        identities: (M,) int64.
        labelled: (F·B, C) bool, the classes of which every instance is here; None for all.
        crowds: (F·B, H/4, W/4) bool, where instances are that were not told apart; None for nowhere.
    """

    frames: Tensor
    counts: tuple[int, ...]
    labels: Tensor
    masks: Tensor
    identities: Tensor
    labelled: Optional[Tensor] = None
    crowds: Optional[Tensor] = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    @property
    def targets(self) -> list[Target]:
        """Those of the F·B frames."""
        objects = zip(
            self.labels.split(self.counts),
            (self.masks * (1 / 255)).split(self.counts),
            self.identities.split(self.counts),
        )
        nothing = [None] * len(self.counts)
        labelled = nothing if self.labelled is None else self.labelled
        crowds = nothing if self.crowds is None else self.crowds
        return [Target(*own, *of_frame) for own, *of_frame in zip(objects, labelled, crowds)]


class TrainingSet(Dataset[list[Sample]]):
    """Every frame of a source as a sample, with another frame of its video as a pair, or in a clip.

    Args:
        source: frames with annotations.
        config: sizes and augmentation.
        seed: of the augmentation; a sample is a function of the seed and its key alone.
        clip: how many frames a sample has.
        pair_gap: samples are pairs of frames instead, this far apart at most, or at any distance if 0.
    """

    def __init__(
        self,
        source: FrameSource,
        config: DataConfig,
        seed: int,
        clip: ClipConfig = ClipConfig(),
        pair_gap: Optional[int] = None,
    ) -> None:
        self.source, self.config, self.seed = source, config, seed
        self.clip, self.pair_gap = clip, pair_gap
        self._places = [
            (video, frame) for video, length in enumerate(source.lengths) for frame in range(length)
        ]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def weights(self) -> Optional[NDArray[np.float64]]:
        """How often each sample is drawn; None where all are drawn alike."""
        weights = self.source.weights
        return None if weights is None else np.array([weights[video] for video, _ in self._places])

    def __getitem__(self, key: SampleKey) -> list[Sample]:
        """The sample's one frame, two frames, t and t + δ, or clip."""
        rng = np.random.default_rng((self.seed, key.epoch, key.index))
        video, frame = self._places[key.index]
        length = self.source.lengths[video]
        if self.pair_gap is not None:
            frames = [frame, partner_frame(rng, frame, length, self.pair_gap)]
        else:
            frames = clip_frames(frame, length, self.clip)
            if self.clip.still and rng.random() < self.clip.still:
                frames = frames[:1] * len(frames)
        sources = self._read(rng, video, frames)
        config = self.config.augment
        view = self._view(rng, sources[0].image.shape[:2])
        colour = colour_matrix(rng, config.colour, config.hue)
        samples = [augment(sources[0], view, colour)]
        for source, number in zip(sources[1:], frames[1:]):
            if config.near and number == frames[0]:
                samples.append(near_view(rng, source, view, colour, config.near))
            else:
                samples.append(augment(source, view, colour))
        return samples

    def _read(self, rng: np.random.Generator, video: int, frames: Sequence[int]) -> list[SourceFrame]:
        """The frames of a sample; all those of a still have the same objects pasted over."""
        config = self.config.augment
        if not config.paste or rng.random() >= config.paste:
            return [self.source.read(video, frame) for frame in frames]
        other = self.source.read(*self._places[int(rng.integers(len(self)))])
        pasted = paste_objects(rng, self.source.read(video, frames[0]), other, config)
        return [pasted] * len(frames)

    def _view(self, rng: np.random.Generator, size: tuple[int, int]) -> View:
        config = self.config
        if config.canvas != (0, 0):
            return random_view(rng, size, config.canvas, config.canvas, config.augment)
        scale = min(int(rng.choice(config.short_sides)) / min(size), config.long_side / max(size))
        fitted = (round(size[0] * scale), round(size[1] * scale))
        canvas = (round_up(fitted[0]), round_up(fitted[1]))
        return random_view(rng, size, fitted, canvas, config.augment)


def clip_frames(frame: int, length: int, clip: ClipConfig) -> list[int]:
    """The clip that starts at a frame, or earlier where the video ends too soon.

    Args:
        frame: wished first frame.
        length: frames of the video; a shorter video than the clip repeats its last frame.
        clip: its length and stride.
    """
    first = max(0, min(frame, length - 1 - (clip.length - 1) * clip.stride))
    return [min(first + step * clip.stride, length - 1) for step in range(clip.length)]


def partner_frame(rng: np.random.Generator, frame: int, length: int, max_gap: int) -> int:
    """Another frame t + δ of the same video, δ uniform with 0 < |δ| ≤ max_gap; the frame itself in a video of
    one.

    Args:
        rng: source of randomness.
        frame: t.
        length: frames of the video.
        max_gap: largest |δ|; 0 for any.
    """
    reach = max_gap or length
    others = [
        other for other in range(max(0, frame - reach), min(length, frame + reach + 1)) if other != frame
    ]
    return int(rng.choice(others)) if others else frame


def augment(source: SourceFrame, view: View, colour: NDArray[np.float32]) -> Sample:
    """One frame as the network sees it; instances of which nothing is left in view are dropped."""
    masks = [view.mask(mask) for mask in source.masks]
    kept = [i for i, mask in enumerate(masks) if mask.sum(dtype=np.int64) >= 255 * MIN_MASK_AREA]
    quarter = (len(kept), view.canvas[0] // MASK_STRIDE, view.canvas[1] // MASK_STRIDE)
    return Sample(
        frame=view.frame(apply_colour(source.image, colour)),
        labels=source.labels[kept],
        masks=np.stack([masks[i] for i in kept]) if kept else np.zeros(quarter, dtype=np.uint8),
        identities=source.identities[kept],
        labelled=source.labelled,
        crowd=None if source.crowd is None else view.mask(source.crowd),
    )


def near_view(
    rng: np.random.Generator,
    source: SourceFrame,
    view: View,
    colour: NDArray[np.float32],
    config: NearViewConfig,
) -> Sample:
    """A frame as ``view`` shows it, a moment later: moved, smeared and lit a little otherwise."""
    moved = replace(view, motion=near_motion(rng, view.canvas, config))
    sample = augment(
        source, moved, compose_colours(colour_matrix(rng, config.colour, saturate=False), colour)
    )
    blur = motion_blur(rng, config.blur)
    return replace(sample, frame=cv2.filter2D(sample.frame, -1, blur)) if blur.size > 1 else sample


def collate(samples: Sequence[Sequence[Sample]]) -> Batch:
    """Stack B samples of F frames; smaller ones are padded with 0 at the right and bottom."""
    frames = [frame for group in zip(*samples) for frame in group]
    height = max(frame.frame.shape[0] for frame in frames)
    width = max(frame.frame.shape[1] for frame in frames)
    quarter = (height // MASK_STRIDE, width // MASK_STRIDE)
    counts = tuple(len(frame.labels) for frame in frames)
    stacked = np.zeros((len(frames), height, width, 3), dtype=np.uint8)
    masks = np.zeros((sum(counts), *quarter), dtype=np.uint8)
    for place, own, frame in zip(stacked, np.split(masks, np.cumsum(counts)[:-1]), frames):
        _fill(place, frame.frame)
        _fill(own.transpose(1, 2, 0), frame.masks.transpose(1, 2, 0))
    return Batch(
        torch.from_numpy(stacked).permute(0, 3, 1, 2),
        counts,
        torch.from_numpy(np.concatenate([frame.labels for frame in frames])),
        torch.from_numpy(masks),
        torch.from_numpy(np.concatenate([frame.identities for frame in frames])),
        _stack_labelled([frame.labelled for frame in frames]),
        _stack_crowds([frame.crowd for frame in frames], quarter),
    )


def _fill(place: NDArray[np.uint8], content: NDArray[np.uint8]) -> None:
    """Put an array at the upper left of a larger one, rows and columns first."""
    place[: content.shape[0], : content.shape[1]] = content


def _stack_labelled(parts: Sequence[Optional[NDArray[np.bool_]]]) -> Optional[Tensor]:
    partial = [part for part in parts if part is not None]
    if not partial:
        return None
    every = np.ones_like(partial[0])
    return torch.from_numpy(np.stack([every if part is None else part for part in parts]))


def _stack_crowds(parts: Sequence[Optional[NDArray[np.uint8]]], size: tuple[int, int]) -> Optional[Tensor]:
    if all(part is None for part in parts):
        return None
    crowds = np.zeros((len(parts), *size), dtype=np.uint8)
    for place, part in zip(crowds, parts):
        if part is not None:
            _fill(place, part)
    return torch.from_numpy(crowds > 0)


def round_up(side: int) -> int:
    """The next multiple of 64."""
    return -(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE
