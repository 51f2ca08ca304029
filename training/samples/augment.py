"""Random geometry and colour of training frames, with their masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Image
from mobilevis.training.samples.config import AugmentConfig, NearViewConfig

Size = tuple[int, int]
Bounds = tuple[tuple[int, int], tuple[int, int]]  # (left, top) and, behind the last, (right, bottom)

# Predicted masks are at a quarter of the frame.
MASK_STRIDE = 4


@dataclass(frozen=True)
class View:
    """How a source frame is shown to the network: flipped, resized, then cropped or padded.

    Attributes:
        flip: mirror left and right.
        size: (height, width) that the whole source frame is resized to.
        canvas: (height, width) of the result, multiples of 4.
        offset: (y, x) of the canvas inside the resized frame; 0 where the frame is the smaller of the two.
            The rest of the canvas, at its right and bottom, is 0, as in the runtime's letterbox.
        motion: (2, 3), an affine motion of the canvas's pixels after all that; what it brings in from outside
            the canvas is the frame's own where that goes on.
    """

    flip: bool
    size: Size
    canvas: Size
    offset: tuple[int, int]
    motion: Optional[NDArray[np.float64]] = None

    def frame(self, image: Image) -> Image:
        """(H, W, 3) source frame to (canvas height, canvas width, 3)."""
        return self._place(_resize(image, self.size))

    def mask(self, mask: NDArray[np.bool_]) -> Image:
        """(H, W) source mask to its coverage of each quarter-resolution pixel, 0 to 255; at the edges of the
        source frame it fades within half a pixel of that."""
        quarter = np.zeros([side // MASK_STRIDE for side in self.canvas], dtype=np.uint8)
        rows, columns, fine = self._covered(mask, MASK_STRIDE)
        if fine.size:
            size = (columns.stop - columns.start, rows.stop - rows.start)
            quarter[rows, columns] = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        return quarter

    def full_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(H, W) source mask to the pixels of the canvas that it covers by half or more."""
        covered = np.zeros(self.canvas, dtype=np.bool_)
        rows, columns, fine = self._covered(mask, 1)
        covered[rows, columns] = fine >= 128
        return covered

    def _covered(self, mask: NDArray[np.bool_], stride: int) -> tuple[slice, slice, Image]:
        """Coverage, 0 to 255, of the canvas's pixels in the window of its cells that a source mask can touch.

        Only there: warping it over all of the canvas took three times as long.

        Returns:
            Rows and columns of the window in cells of ``stride`` pixels, and its pixels.
        """
        there = self._matrix(mask.shape)
        inside = _bounds(mask)
        rows, columns = self._window(inside, there, stride)
        size = (stride * max(0, columns.stop - columns.start), stride * max(0, rows.stop - rows.start))
        if not all(size):
            return slice(0), slice(0), np.zeros((0, 0), dtype=np.uint8)
        (left, top), (right, bottom) = inside
        x, y = max(0, left - 1), max(0, top - 1)
        part = mask[y : bottom + 1, x : right + 1].astype(np.uint8) * np.uint8(255)
        there = there @ [[1, 0, x], [0, 1, y], [0, 0, 1]]
        there[:, 2] -= (stride * columns.start, stride * rows.start)
        return rows, columns, cv2.warpAffine(part, there, size)

    def _matrix(self, source: Size) -> NDArray[np.float64]:
        """The (2, 3) affine map of a source frame's pixels to the canvas's, integers at their centres."""
        fy, fx = (size / side for size, side in zip(self.size, source))
        # Half a pixel from the edge of a pixel to its centre, before and after.
        matrix = np.array([[fx, 0.0, (fx - 1) / 2], [0.0, fy, (fy - 1) / 2], [0.0, 0.0, 1.0]])
        if self.flip:
            matrix[0] = [-fx, 0.0, self.size[1] - 1 - matrix[0, 2]]
        matrix[:2, 2] -= self.offset[::-1]
        return matrix[:2] if self.motion is None else self.motion @ matrix

    def _window(self, bounds: Bounds, matrix: NDArray[np.float64], stride: int) -> tuple[slice, slice]:
        """Rows and columns of the canvas's cells of ``stride`` pixels that what lies in some bounds of the
        source can touch where ``matrix`` puts it."""
        (left, top), (right, bottom) = bounds
        left, top = left - 1, top - 1
        corners = np.array([[left, top, 1], [right, top, 1], [left, bottom, 1], [right, bottom, 1]])
        places = corners @ matrix.T / stride
        low, high = np.floor(places.min(0)).astype(int), np.ceil(places.max(0)).astype(int) + 1
        limits = (self.canvas[1] // stride, self.canvas[0] // stride)
        columns, rows = (slice(max(0, a), min(b, limit)) for a, b, limit in zip(low, high, limits))
        return rows, columns

    def _place(self, resized: Image) -> Image:
        if self.flip:
            resized = resized[:, ::-1]
        (y, x), (height, width) = self.offset, self.canvas
        if self.motion is not None:
            cut = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y], [0.0, 0.0, 1.0]])
            return cv2.warpAffine(np.ascontiguousarray(resized), self.motion @ cut, (width, height))
        content = resized[y : y + height, x : x + width]
        result = np.zeros((height, width, *resized.shape[2:]), dtype=np.uint8)
        result[: content.shape[0], : content.shape[1]] = content
        return result


def _bounds(mask: NDArray[np.bool_]) -> Bounds:
    """Of what a mask covers; nothing for an empty one.

    Of masks as pycocotools decodes them, column by column, ``cv2.boundingRect`` takes four times as long.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (0, 0), (0, 0)
    return (int(columns[0]), int(rows[0])), (int(columns[-1]) + 1, int(rows[-1]) + 1)


def _resize(image: Image, size: Size) -> Image:
    shrinks = size[0] < image.shape[0]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def random_view(
    rng: np.random.Generator, source: Size, fitted: Size, canvas: Size, config: AugmentConfig
) -> View:
    """Draw the geometry of one sample.

    Args:
        rng: source of randomness.
        source: (height, width) of the frame.
        fitted: (height, width) that the frame is resized to at scale 1 at most, its aspect kept.
        canvas: (height, width) of the result.
        config: what is random.
    """
    low, high = config.scale
    scale = min(fitted[0] / source[0], fitted[1] / source[1])
    scale *= float(np.exp(rng.uniform(np.log(low), np.log(high))))
    height, width = (max(1, round(side * scale)) for side in source)
    room = (max(0, height - canvas[0]), max(0, width - canvas[1]))
    offset = (int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1)))
    return View(bool(rng.random() < config.flip), (height, width), canvas, offset)


def colour_matrix(
    rng: np.random.Generator, strength: float, hue: float = 0.0, saturate: bool = True
) -> NDArray[np.float32]:
    """A random (3, 4) affine map of RGB: brightness, contrast about mid-grey and saturation, each within
    1 ± strength, and hues turned by at most ``hue`` degrees. Without ``saturate`` saturation stays."""
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    saturation = saturation if saturate else 1.0
    luma = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * luma[None]
    mix = mix @ hue_rotation(rng.uniform(-hue, hue))
    offset = np.full((3, 1), 127.5 * (1 - contrast) * brightness)
    return np.hstack([brightness * contrast * mix, offset]).astype(np.float32)


def compose_colours(later: NDArray[np.float32], first: NDArray[np.float32]) -> NDArray[np.float32]:
    """The (3, 4) map that applies ``first`` and then ``later``."""
    return np.hstack([later[:, :3] @ first[:, :3], later[:, :3] @ first[:, 3:] + later[:, 3:]])


def hue_rotation(degrees: float) -> NDArray[np.float64]:
    """(3, 3) map of RGB that turns the chroma plane of YIQ and keeps luma, and so every grey."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    return np.linalg.solve(to_yiq, turn @ to_yiq)


def apply_colour(image: Image, matrix: NDArray[np.float32]) -> Image:
    """Map each pixel's (r, g, b, 1) by a (3, 4) matrix, clipped to [0, 255]."""
    return cv2.transform(image, matrix)


def near_motion(rng: np.random.Generator, canvas: Size, config: NearViewConfig) -> NDArray[np.float64]:
    """A random (2, 3) rotation and change of size about the canvas's centre, and a shift."""
    height, width = canvas
    turn = rng.uniform(-config.turn, config.turn)
    scale = float(np.exp(rng.uniform(-1, 1) * np.log1p(config.scale)))
    motion = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale))
    motion[:, 2] += rng.uniform(-config.shift, config.shift, 2) * (width, height)
    return motion


def motion_blur(rng: np.random.Generator, longest: int) -> NDArray[np.float32]:
    """A kernel (odd, odd) that smears along a line of random direction, at most ``longest`` pixels long."""
    length = int(rng.integers(longest + 1))
    side = 2 * (length // 2) + 1
    kernel = np.zeros((side, side), dtype=np.float32)
    angle, half = rng.uniform(0, np.pi), (side - 1) / 2
    steps = np.linspace(-half, half, max(1, 2 * side))
    rows, columns = (np.rint(half + steps * f(angle)).astype(int) for f in (np.sin, np.cos))
    kernel[rows, columns] = 1.0
    return kernel / kernel.sum()
