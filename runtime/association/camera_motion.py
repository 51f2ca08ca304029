"""How the camera moved, turned and zoomed between two frames, and which objects went along; ours.

``camera`` tells the step. Two of Gauss and Newton from there (Lucas and Kanade, 1981, with the gradient of
the first picture alone, as Baker and Matthews, 2004) tell turn and zoom, too, as well as five do. Places
(y, x) are complex numbers y + x·i: to turn and zoom is a product.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.camera import CELL, Miniature, Picture, Step, shrink
from mobilevis.runtime.association.regions import Region

FINE_CELL = 8  # pixels of a cell in which objects are compared: with 16, AP is 0.7 less
MOST_ZOOM = 1.25  # from frame to frame: what is more was not found, but lost
# Holds the motion back where a picture has no gradients that tell it, in grey levels a cell.
LEAST_GRADIENT = 1.0
# In 1,500 views of random blots one leaves up to 3.0 % of the zoom, two 0.6 for 0.06 ms, three 0.2.
REFINEMENTS = 2
# An object went along if that leaves less than this part of what standing still leaves of its picture: a car
# that the camera follows stays.
LESS_LEFT = 0.8

Places = NDArray[np.complex128]


class Miniatures(NamedTuple):
    """What is left of a picture to tell where it went, and what in it.

    Attributes:
        coarse: of cells of ``CELL`` pixels, see ``shrink``.
        fine: of cells of ``FINE_CELL`` pixels; None where only steps are asked for.
    """

    coarse: Miniature
    fine: Optional[Miniature]

    @classmethod
    def of(cls, picture: Picture, is_fine: bool) -> Miniatures:
        """Of a picture (H, W) in [0, 255], one colour."""
        if not is_fine:
            return cls(shrink(picture), None)
        fine = shrink(picture, FINE_CELL)
        return cls(shrink(fine, CELL // FINE_CELL), fine)  # means of means, a tenth of the time


class CameraMotion(NamedTuple):
    """Where what a frame shows is in the next one: z → ``turn`` · z + ``shift``.

    Attributes:
        input_size: (height, width) of the network's input.
        turn: by its angle, and zoom by its length.
        shift: in pixels of that, from its upper left corner.
        misfit: (H // FINE_CELL, W // FINE_CELL) grey levels: what the motion leaves of the difference of the
            two frames, less ``LESS_LEFT`` of what standing still leaves; NaN where it went out of sight.
    """

    input_size: tuple[int, int]
    turn: complex
    shift: complex
    misfit: Miniature

    def carries(self, region: Region, stride: int) -> bool:
        """Whether what the first frame showed under a mask went along, or nothing of that is in sight.

        Args:
            region: of the mask's cells.
            stride: pixels of the network's input that such a cell is wide and high.
        """
        height, width = self.misfit.shape
        rows = np.arange(region.top, region.bottom) * stride // FINE_CELL
        columns = np.arange(region.left, region.right) * stride // FINE_CELL
        rows, columns = rows[rows < height], columns[columns < width]
        left = self.misfit[rows[:, None], columns][region.mask[: len(rows), : len(columns)]]
        left = left[left == left]  # without NaN
        return not left.size or bool(left.sum() < 0.0)

    def move_boxes(self, boxes: Array) -> Array:
        """Boxes (S, 4), as fractions of the network's input, after the motion; upright."""
        height, width = self.input_size
        x0, y0, x1, y1 = boxes.T.astype(np.float64) * [[width], [height], [width], [height]]
        centre = self.turn * ((y0 + y1) / 2.0 + (x0 + x1) * 0.5j) + self.shift
        down, right = abs(self.turn) * (y1 - y0) / 2.0, abs(self.turn) * (x1 - x0) / 2.0
        edges = centre.imag - right, centre.real - down, centre.imag + right, centre.real + down
        return (np.stack(edges, axis=1) / [width, height, width, height]).astype(np.float32)


def find_camera_motion(
    input_size: tuple[int, int], before: Miniatures, now: Miniatures, step: Step
) -> Optional[CameraMotion]:
    """The motion between two frames; None where the pictures do not tell.

    Args:
        input_size: (height, width) of the network's input.
        before: what is left of the first frame, finely.
        now: of the second one.
        step: between them, see ``camera.find_camera_step``.
    """
    earlier, later = before.fine, now.fine
    assert earlier is not None
    assert later is not None
    if earlier.shape != later.shape or min(now.coarse.shape) < 2:  # a single row or column has no gradients
        return None
    turn, shift = _register(before.coarse, now.coarse, complex(*step) / CELL)
    if not 1.0 / MOST_ZOOM <= abs(turn) <= MOST_ZOOM:
        return None
    middle = complex(*now.coarse.shape) * CELL / 2.0
    shift = shift * CELL + middle - turn * middle
    half = 0.5 + 0.5j  # from a cell's corner to its centre
    moved, inside = _sample(later, turn * _grid(later.shape) + (turn * half + shift / FINE_CELL - half))
    left = np.abs(_level(moved - earlier, inside)) - LESS_LEFT * np.abs(later - earlier)
    return CameraMotion(input_size, complex(turn), complex(shift), np.where(inside, left, np.nan))


def _register(before: Miniature, now: Miniature, step: complex) -> tuple[complex, complex]:
    """Turn and shift, in cells and about the middle, that take one picture to the other, from a step."""
    grid = _grid(now.shape)
    middle = (grid[0, 0] + grid[-1, -1]) / 2.0
    away = grid - middle
    down, right = np.gradient(before)
    # What a picture changes by with a shift down or right, zoom, turn, and brightness.
    along, across = down * away.real + right * away.imag, right * away.real - down * away.imag
    changes = np.stack([down, right, along, across, np.ones(before.shape)]).reshape(5, -1)
    ridge = np.diag([before.size * LEAST_GRADIENT**2] * 4 + [1.0])
    turn, shift = 1.0 + 0.0j, step
    for _ in range(REFINEMENTS):
        moved, inside = _sample(now, turn * away + (shift + middle))
        seen = changes * inside.ravel()
        changed = np.linalg.solve(seen @ changes.T + ridge, seen @ (moved - before).ravel())
        y, x, zoom, angle, _ = changed.tolist()
        turn /= complex(1.0 + zoom, angle)
        shift -= turn * complex(y, x)
    return turn, shift


@lru_cache(maxsize=8)
def _grid(shape: tuple[int, ...]) -> Places:
    """(h, w), the places of cells."""
    return np.add.outer(np.arange(shape[0]), np.arange(shape[1]) * 1j)


def _sample(picture: Miniature, at: Places) -> tuple[Miniature, NDArray[np.bool_]]:
    """Between the cells of a picture, bilinear, (h, w); and whether these places are inside, 0 where not."""
    rows, columns = picture.shape
    y, x = at.real.copy(), at.imag.copy()
    inside = (y >= 0.0) & (y <= rows - 1) & (x >= 0.0) & (x <= columns - 1)
    y *= inside
    x *= inside
    top, left = np.minimum(y.astype(np.intp), rows - 2), np.minimum(x.astype(np.intp), columns - 2)
    lower, farther = y - top, x - left
    corner, flat = top * columns + left, picture.ravel()
    above = flat[corner] + (flat[corner + 1] - flat[corner]) * farther
    below = flat[corner + columns] + (flat[corner + columns + 1] - flat[corner + columns]) * farther
    return (above + (below - above) * lower) * inside, inside


def _level(difference: Miniature, inside: NDArray[np.bool_]) -> Miniature:
    """Less its mean over what is inside."""
    return difference - difference[inside].mean() if inside.any() else difference
