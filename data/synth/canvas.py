"""Sprites: an object's colours, coverage and surface normals, painted part by part."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.data.synth.textures import Color, Image, grid

SUPERSAMPLING = 2  # a sprite is painted this many times larger, then averaged: smooth edges and masks
_SUBPIXEL_BITS = 6

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Sprite:
    """A textured object to be warped into frames.

    Attributes:
        levels: mip levels by falling size, each (S, S, 4) float32: RGB times coverage in [0, 255], and
            coverage in [0, 255].
        normals: for each level (S, S, 2) float32, the (u, v) part of the surface normal times coverage, in
            [-1, 1]; zero for a flat cut-out.
    """

    levels: tuple[Image, ...]
    normals: tuple[Image, ...]

    @property
    def side(self) -> int:
        """Side of the finest level in pixels."""
        return self.levels[0].shape[0]


def make_sprite(rgb: Image, coverage: Image, normals: Image) -> Sprite:
    """Build the mip levels of a square sprite.

    Args:
        rgb: (S, S, 3) in [0, 255].
        coverage: (S, S) in [0, 1].
        normals: (S, S, 2) in [-1, 1].
    """
    level = np.dstack([rgb * coverage[..., None], 255 * coverage]).astype(np.float32)
    slope = np.ascontiguousarray(normals * coverage[..., None], dtype=np.float32)
    levels, slopes = [level], [slope]
    while min(level.shape[:2]) >= 32:
        half = (level.shape[1] // 2, level.shape[0] // 2)
        level = cv2.resize(level, half, interpolation=cv2.INTER_AREA)
        slope = cv2.resize(slope, half, interpolation=cv2.INTER_AREA)
        levels.append(level)
        slopes.append(slope)
    return Sprite(tuple(levels), tuple(slopes))


class Canvas:
    """A square on which parts are painted over one another, each rounded like a cushion.

    Coordinates are (u, v) in [-1, 1], u to the right (the direction that the object faces), v down.
    """

    def __init__(self, side: int) -> None:
        self.size = side * SUPERSAMPLING
        self.u, self.v = grid(self.size)
        self._rgb = np.zeros((self.size, self.size, 3), dtype=np.float32)
        self._cover = np.zeros((self.size, self.size), dtype=np.uint8)
        self._height = np.zeros((self.size, self.size), dtype=np.float32)

    def _pixels(self, points: Points) -> NDArray[np.int32]:
        scale = self.size / 2 * (1 << _SUBPIXEL_BITS)
        return np.rint((np.asarray(points) + 1) * scale - (1 << _SUBPIXEL_BITS) / 2).astype(np.int32)

    def polygon(self, points: Points) -> NDArray[np.uint8]:
        """The mask (S, S), 0 or 255, of a closed polygon of (n, 2) points."""
        mask = np.zeros_like(self._cover)
        cv2.fillPoly(mask, [self._pixels(points)], 255, shift=_SUBPIXEL_BITS)
        return mask

    def ellipse(
        self, centre: tuple[float, float], axes: tuple[float, float], degrees: float = 0.0
    ) -> NDArray[np.uint8]:
        """The mask of an ellipse with half axes ``axes``, turned by ``degrees`` (u towards v)."""
        t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        turn = np.deg2rad(degrees)
        x, y = axes[0] * np.cos(t), axes[1] * np.sin(t)
        across = centre[0] + x * np.cos(turn) - y * np.sin(turn)
        down = centre[1] + x * np.sin(turn) + y * np.cos(turn)
        return self.polygon(np.column_stack([across, down]))

    def stroke(self, points: Points, width: float) -> NDArray[np.uint8]:
        """The mask of an open line through (n, 2) points."""
        mask = np.zeros_like(self._cover)
        thickness = max(1, round(width * self.size / 2))
        cv2.polylines(mask, [self._pixels(points)], False, 255, thickness, cv2.LINE_8, _SUBPIXEL_BITS)
        return mask

    def paint(
        self, mask: NDArray[np.uint8], color: Color | Image, roundness: float = 0.15, lift: float = 0.05
    ) -> None:
        """Paint a part and raise it above what lies below.

        Args:
            mask: (S, S) as returned by the shape methods.
            color: one colour, or an (S, S, 3) image of the whole canvas.
            roundness: width of the rounded border, in canvas units; the middle stays flat.
            lift: how far the part's border stands above the part below.
        """
        inside = mask > 0
        image = np.asarray(color, dtype=np.float32)
        self._rgb[inside] = image if image.ndim == 1 else image[inside]
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[inside] * (2 / self.size)
        border = 1 - np.minimum(depth / roundness, 1)
        base = float(np.median(self._height[inside])) if inside.any() else 0.0
        self._height[inside] = base + lift + roundness * np.sqrt(1 - border**2)
        self._cover |= mask

    def decal(self, mask: NDArray[np.uint8], color: Color, opacity: float = 1.0) -> None:
        """Colour a region of what is already painted without changing its relief."""
        inside = (mask > 0) & (self._cover > 0)
        self._rgb[inside] += opacity * (np.asarray(color, dtype=np.float32) - self._rgb[inside])

    def cut(self, mask: NDArray[np.uint8]) -> None:
        """Make a hole."""
        self._cover[mask > 0] = 0
        self._height[mask > 0] = 0

    def finish(self) -> Sprite:
        """Average down to the sprite's own size and derive the normals from the relief."""
        side = self.size // SUPERSAMPLING
        relief = cv2.GaussianBlur(self._height, (0, 0), self.size / 160)
        # Sobel's 3x3 kernel sums eight differences, each over one canvas unit of 2 / size.
        slope_u = cv2.Sobel(relief, cv2.CV_32F, 1, 0) * (self.size / 16)
        slope_v = cv2.Sobel(relief, cv2.CV_32F, 0, 1) * (self.size / 16)
        length = np.sqrt(1 + slope_u**2 + slope_v**2)
        cover = self._cover.astype(np.float32) / 255
        layers = np.dstack([self._rgb * cover[..., None], cover, -slope_u / length, -slope_v / length])
        small = cv2.resize(layers, (side, side), interpolation=cv2.INTER_AREA)
        coverage = small[..., 3]
        rgb = small[..., :3] / np.maximum(coverage, 1e-3)[..., None]
        return make_sprite(rgb, coverage, small[..., 4:])
