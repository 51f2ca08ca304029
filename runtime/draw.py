"""Drawing instances onto frames: one colour for each identity."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.results import FrameResult

Color = tuple[int, int, int]

OPACITY = 0.5
GOLDEN_RATIO = 0.618033988749895


def track_color(track_id: int) -> Color:
    """RGB of an identity; steps of the golden ratio around the hue circle keep neighbours apart."""
    hue = (track_id * GOLDEN_RATIO) % 1.0
    value = 1.0 if track_id % 2 else 0.85
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_result(frame: Image, result: FrameResult, class_names: Sequence[str]) -> Image:
    """A copy of the frame with masks, outlines and labels.

    Args:
        frame: (H, W, 3) uint8 RGB.
        result: the frame's instances.
        class_names: name of each class index.
    """
    canvas = frame.copy()
    by_size = sorted(result.instances, key=lambda instance: -instance.area)
    for instance in by_size:
        draw_mask(canvas, instance.box_mask, instance.box[:2], track_color(instance.track_id))
    for instance in by_size:
        label = f"{instance.track_id} {class_names[instance.class_index]} {instance.score:.2f}"
        draw_label(canvas, label, instance.box[:2], track_color(instance.track_id))
    return canvas


def draw_mask(canvas: Image, mask: NDArray[np.bool_], corner: tuple[int, int], color: Color) -> None:
    """Blend one mask into the canvas, in place, and outline it; corner is its (x, y) upper left pixel."""
    x, y = corner
    region = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    tinted = cv2.addWeighted(region, 1.0 - OPACITY, np.full_like(region, color), OPACITY, 0.0)
    cv2.copyTo(tinted, mask.astype(np.uint8), region)
    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=corner
    )
    thickness = max(1, round(min(canvas.shape[:2]) / 300))
    cv2.drawContours(canvas, outlines, -1, color, thickness, cv2.LINE_AA)


def draw_label(canvas: Image, label: str, corner: tuple[int, int], color: Color) -> None:
    """Write a label on a filled bar that stays inside the canvas, in place."""
    scale = max(0.4, min(canvas.shape[:2]) / 900)
    (width, height), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = int(np.clip(corner[0], 0, max(0, canvas.shape[1] - width - 4)))
    y = int(np.clip(corner[1], height + base + 2, canvas.shape[0]))
    cv2.rectangle(canvas, (x, y - height - base - 2), (x + width + 4, y), color, cv2.FILLED)
    ink = (0, 0, 0) if sum(color) > 380 else (255, 255, 255)
    cv2.putText(canvas, label, (x + 2, y - base), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
