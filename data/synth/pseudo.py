"""Pseudo-videos: a still under random rotation, crop and scale, as SeqFormer and DVIS train on COCO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np

from mobilevis.data.datasets import Annotation
from mobilevis.data.synth.motion import Curve, smooth_curve
from mobilevis.data.synth.render import Frame, Mask, Owners, visible_masks
from mobilevis.runtime import rle

MAX_ROTATION = 0.35  # radians: SeqFormer turns stills by up to 20 degrees
CROP_RANGE = (0.4, 1.0)  # height of the crop to the largest that fits


@dataclass(frozen=True)
class PseudoVideo:
    """A still and the path of the crop over it.

    Attributes:
        size: (height, width) of a frame in pixels.
        still: (Hs, Ws, 3) uint8 RGB.
        owners: (Hs, Ws) int16, the index of the object at each pixel, -1 for none.
        category_ids: of each object.
        centre: (T, 2) of the crop in the still's pixels, x first.
        scale: (T,) frame pixels to a pixel of the still.
        roll: (T,) radians.
        gain: (T,) brightness.
    """

    size: tuple[int, int]
    still: Frame
    owners: Owners
    category_ids: tuple[int, ...]
    centre: Curve
    scale: Curve
    roll: Curve
    gain: Curve

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.scale)

    def draw(self, t: int) -> tuple[Frame, list[Optional[Mask]]]:
        """Frame t, (H, W, 3) uint8 RGB, and each object's visible part in it, None where it is not seen."""
        height, width = self.size
        cos, sin = self.scale[t] * np.cos(self.roll[t]), self.scale[t] * np.sin(self.roll[t])
        turn = np.array([[cos, -sin], [sin, cos]])
        matrix = np.column_stack([turn, np.array([width, height]) / 2 - turn @ self.centre[t]])
        average = [float(channel) for channel in self.still.mean(axis=(0, 1))]
        shrinks = self.scale[t] < 1
        frame = cv2.warpAffine(
            # warpAffine does not average: a still that is made smaller is smoothed first.
            cv2.GaussianBlur(self.still, (0, 0), 0.5 / self.scale[t]) if shrinks else self.still,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=average,
        )
        owners = cv2.warpAffine(self.owners, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=-1)
        frame = cv2.convertScaleAbs(frame, alpha=self.gain[t])
        return frame, visible_masks(owners, len(self.category_ids))


def random_pseudo_video(
    seed: tuple[int, ...],
    size: tuple[int, int],
    frames: int,
    still: Frame,
    annotations: tuple[Annotation, ...],
) -> PseudoVideo:
    """A random smooth path of the crop over a still.

    Args:
        seed: entropy; equal seeds give equal videos.
        size: (height, width) of a frame in pixels.
        frames: length of the video.
        still: (Hs, Ws, 3) uint8 RGB.
        annotations: its objects; where two overlap, the smaller one is seen.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    still_height, still_width = still.shape[:2]
    ordered = sorted(annotations, key=lambda annotation: -annotation.area)
    owners = np.full(still.shape[:2], -1, dtype=np.int16)
    for index, annotation in enumerate(ordered):
        owners[rle.decode(annotation.segmentation)] = index
    if rng.random() < 0.5:
        still, owners = np.ascontiguousarray(still[:, ::-1]), np.ascontiguousarray(owners[:, ::-1])
    period = rng.uniform(30, 60)
    low, high = CROP_RANGE
    crop = np.clip(rng.uniform(low, high) + smooth_curve(rng, frames, 0.25, period), low, high)
    scale = max(height / still_height, width / still_width) / crop
    visible = np.column_stack([width / scale, height / scale])
    room = (np.array([still_width, still_height]) - visible) / 2
    drift = np.column_stack([smooth_curve(rng, frames, 1.0, period) for _ in range(2)])
    start = rng.uniform(-0.6, 0.6, 2)
    roll = smooth_curve(rng, frames, rng.uniform(0, MAX_ROTATION), period)
    return PseudoVideo(
        size=size,
        still=still,
        owners=owners,
        category_ids=tuple(annotation.category_id for annotation in ordered),
        centre=np.array([still_width, still_height]) / 2 + room * np.clip(start + drift, -1, 1),
        scale=scale,
        roll=roll,
        gain=rng.uniform(0.85, 1.1) + smooth_curve(rng, frames, 0.1, 50),
    )
