"""Drawing instances onto frames: one colour for each identity, thin outlines, labels that stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.colors import Color, TrackColors
from mobilevis.runtime.labels import LabelLayer
from mobilevis.runtime.results import FrameResult

OPACITY = 0.4
LEGEND_COLOR = (32, 32, 32)


def draw_result(
    frame: Image,
    result: FrameResult,
    class_names: Sequence[str],
    colors: Optional[TrackColors] = None,
    legend: str = "",
) -> Image:
    """A copy of the frame with masks, outlines and labels.

    Args:
        frame: (H, W, 3) uint8 RGB.
        result: the frame's instances.
        class_names: name of each class index.
        colors: the video's; None takes new ones, which go by the tracks' numbers.
        legend: a line for the lower left corner.
    """
    canvas = frame.copy()
    ids = [instance.track_id for instance in result.instances]
    colored = list(zip(result.instances, (colors or TrackColors()).update(ids)))
    for instance, color in sorted(colored, key=lambda pair: -pair[0].area):
        draw_mask(canvas, instance.box_mask, instance.box[:2], color)
    labels = LabelLayer(canvas)
    if legend:
        labels.write(legend, (0, canvas.shape[0]), LEGEND_COLOR)
    for instance, color in colored:  # by falling score: where there is no room, the faintest goes without
        label = f"{instance.track_id} {class_names[instance.class_index]} {instance.score:.2f}"
        labels.write(label, instance.box[:2], color)
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
    thickness = max(1, round(min(canvas.shape[:2]) / 500))
    cv2.drawContours(canvas, outlines, -1, color, thickness, cv2.LINE_AA)
