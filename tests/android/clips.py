"""Where ellipses move in the clips of golden.py, and what a camera sees that moves, too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scripted import FRAMES, INPUT


def crossings() -> NDArray[np.float64]:
    """Three objects; two of them, of one class, cross twice."""
    t = np.arange(FRAMES)
    first = np.stack([np.full(FRAMES, 7.0), 4 + 0.5 * t], axis=1)
    second = np.stack([np.full(FRAMES, 8.0), 28 - 0.5 * t], axis=1)
    third = np.stack([8 + 5 * np.sin(t / 8), 16 + 8 * np.cos(t / 8)], axis=1)
    nothing = np.full((FRAMES, 2), np.nan)
    return np.stack([first, nothing, third, nothing, second], axis=1)  # classes repeat after CLASSES


def exits() -> NDArray[np.float64]:
    """One leaves over the edge and returns, one vanishes for longer than tracks are kept, one stays."""
    t = np.arange(FRAMES)
    first = np.stack([np.full(FRAMES, 6.0), 16 + 22 * np.sin(t / 7)], axis=1)
    second = np.stack([np.full(FRAMES, 11.0), 8 + 0.1 * t], axis=1)
    second[6:42] = np.nan
    third = np.stack([np.full(FRAMES, 4.0), np.full(FRAMES, 25.0)], axis=1)
    third[20:29] = np.nan
    return np.stack([first, second, third], axis=1)


def counts() -> NDArray[np.float64]:
    """Nothing, then one object after the other up to seven, then nothing again."""
    paths = np.full((FRAMES, 7, 2), np.nan)
    for index in range(7):
        begin, end = 6 + 3 * index, 44 - 2 * index
        t = np.arange(begin, end)
        paths[begin:end, index] = np.stack([4 + 4 * (index % 3) + 0.02 * t, 3 + 4 * index + 0.04 * t], axis=1)
    return paths


def pan() -> NDArray[np.int64]:
    """Where a camera that jumps shows things, (frames, 2) cells (y, x) from their middle places."""
    return np.random.default_rng(5).integers((-1, -3), (2, 4), (FRAMES, 2))


def pans() -> NDArray[np.float64]:
    """Three of one class, and a camera that jumps: many come closer to a neighbour's place than their own."""
    paths = np.full((FRAMES, 9, 2), np.nan)
    for index in (0, 4, 8):  # classes repeat after CLASSES
        paths[:, index] = pan() + np.array([8, 8 + 2 * index])
    return paths


def panned_frames(turns: bool = False) -> NDArray[np.uint8]:
    """What that camera sees behind them, (frames, *INPUT, 3); it may turn and zoom, too."""
    margin = 8 * np.abs(pan()).max(axis=0)
    height, width = INPUT + 2 * margin
    coarse = np.random.default_rng(6).integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    corners = (margin - 8 * pan()).tolist()
    frames = [picture[y : y + INPUT[0], x : x + INPUT[1]] for y, x in corners]
    if turns:
        middle, size = (INPUT[1] / 2, INPUT[0] / 2), INPUT[::-1]
        motions = [
            cv2.getRotationMatrix2D(middle, 5 * np.sin(t), 1.1 + 0.1 * np.cos(t)) for t in range(FRAMES)
        ]
        frames = [cv2.warpAffine(frame, motion, size) for frame, motion in zip(frames, motions)]
    return np.stack(frames)


CLIPS = {
    "crossings": (crossings, (360, 640), (2.5, 3.0)),
    "exits": (exits, (250, 320), (2.0, 2.5)),
    "counts": (counts, (199, 501), (1.6, 1.8)),
}
