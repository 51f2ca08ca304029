"""Where objects and the camera are in every frame.

Lengths are in frame heights, angles in radians (u towards v: clockwise on the screen), one row a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

Curve = NDArray[np.float64]

FRAMES_BETWEEN_WAYPOINTS = 20
WAYPOINT_DISTANCE = (0.25, 0.75)
PACES = ("moving", "mixed", "still")
HELD_FRAMES = (6, 15)  # how long a mixed video moves, or stands still, at a time
OUTSIDE_MARGIN = 0.12  # how far beyond its own radius an object that leaves goes past the frame's border


@dataclass(frozen=True)
class Camera:
    """The camera's path: pan (T, 2), zoom (T,) and roll (T,)."""

    pan: Curve
    zoom: Curve
    roll: Curve


@dataclass(frozen=True)
class ObjectPath:
    """One object's path: centre (T, 2), angle (T,), diameter (T,) and phase (T,) of its deformation."""

    centre: Curve
    angle: Curve
    diameter: Curve
    phase: Curve


def smooth_curve(rng: np.random.Generator, frames: int, amplitude: float, period: float) -> Curve:
    """A slow random drift (T,) within about ±amplitude, with about ``period`` frames to a swing."""
    t = np.arange(frames, dtype=np.float64)
    waves = [
        np.sin(2 * np.pi * (t / (period * stretch) + rng.random())) * weight
        for stretch, weight in ((1.0, 0.6), (0.57, 0.4))
    ]
    return amplitude * np.sum(waves, axis=0)


def random_camera(rng: np.random.Generator, frames: int, pan: float = 0.25) -> Camera:
    """A hand-held camera that pans up to ``pan`` frame heights either way, zooms and rolls a little."""
    period = rng.uniform(50, 110)
    across = smooth_curve(rng, frames, rng.uniform(0.2, 1) * pan, period)
    down = smooth_curve(rng, frames, rng.uniform(0.1, 0.5) * pan, period)
    return Camera(
        pan=np.column_stack([across, down]),
        zoom=1 + smooth_curve(rng, frames, rng.uniform(0, 0.08), period),
        roll=smooth_curve(rng, frames, rng.uniform(0, 0.06), period),
    )


def _waypoints(rng: np.random.Generator, count: int, aspect: float, radius: float, visit: str) -> Curve:
    """Points (count, 2) in the frame, some of them outside it.

    Args:
        rng: source of randomness.
        count: number of waypoints.
        aspect: width of the frame in frame heights.
        radius: of the object.
        visit: ``stay``, ``enter``, ``leave`` or ``return`` (leaves and comes back).
    """
    border = np.array([0.12 * aspect, 0.18])
    low, high = border, (aspect, 1.0) - border
    points = [rng.uniform(low, high)]
    while len(points) < count:
        turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(*WAYPOINT_DISTANCE)
        # Reflecting at the border keeps the walk inside without drawing again.
        step = points[-1] + length * np.array([np.cos(turn), np.sin(turn)])
        points.append(high - np.abs(high - low - np.abs(step - low)))
    away = {
        "stay": [],
        "enter": [0],
        "leave": [count - 1],
        "return": list(range(1 + (count > 3), count - 1, 3)),
    }[visit]
    beyond = radius + OUTSIDE_MARGIN
    for index in away:
        x, y = points[index]
        sides = np.array([(-beyond, y), (aspect + beyond, y), (x, -beyond), (x, 1 + beyond)])
        points[index] = sides[np.argmin(np.hypot(*(sides - points[index]).T))]
    return np.array(points)


def random_path(
    rng: np.random.Generator,
    camera: Camera,
    aspect: float,
    diameter: float,
    heading: str,
    visit: str,
) -> ObjectPath:
    """A smooth path through random waypoints that are fixed to the ground while the camera moves on.

    Args:
        rng: source of randomness.
        camera: its length is the path's.
        aspect: width of the frame in frame heights.
        diameter: typical, in frame heights.
        heading: as in ``Character``.
        visit: ``stay``, ``enter``, ``leave`` or ``return`` (leaves and comes back).
    """
    frames = len(camera.zoom)
    spacing = FRAMES_BETWEEN_WAYPOINTS * rng.uniform(0.8, 1.5)
    count = max(3 if visit == "return" else 2, round(frames / spacing) + 1)
    times = np.linspace(0, frames - 1, count) if frames > 1 else np.arange(count)
    points = _waypoints(rng, count, aspect, diameter / 2, visit)
    points += camera.pan[np.clip(np.rint(times).astype(int), 0, frames - 1)]
    spline = CubicSpline(times, points, bc_type="natural")
    t = np.arange(frames, dtype=np.float64)
    centre, velocity = spline(t), spline(t, 1)
    sway = smooth_curve(rng, frames, 0.3, 40)
    if heading == "motion":
        direction = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
        angle = gaussian_filter1d(direction, 3.0, mode="nearest")
    elif heading == "spin":
        spin = rng.uniform(0.01, 0.06) * rng.choice([-1, 1])
        angle = rng.uniform(0, 2 * np.pi) + spin * t + sway
    else:
        angle = sway
    return ObjectPath(
        centre=centre,
        angle=angle,
        diameter=diameter * np.exp(smooth_curve(rng, frames, rng.uniform(0.05, 0.3), 50)),
        phase=2 * np.pi * (rng.random() + t * rng.uniform(0.06, 0.13)),
    )


def draw_moments(rng: np.random.Generator, frames: int, pace: str) -> NDArray[np.int64]:
    """Which moment of a scene each frame shows, (T,) in [0, T).

    Args:
        rng: source of randomness.
        frames: T.
        pace: ``moving``: each its own; ``still``: all the middle one; ``mixed``: the scene moves and stands
            still by turns.
    """
    if pace == "moving":
        return np.arange(frames)
    if pace == "still":
        return np.full(frames, frames // 2)
    steps: list[int] = []
    moves = bool(rng.random() < 0.5)
    while len(steps) < frames:
        steps += [int(moves)] * int(rng.integers(*HELD_FRAMES))
        moves = not moves
    return np.cumsum([0, *steps[: frames - 1]])
