"""What a model finds on stills as COCO annotations: polygons that a person corrects in a labelling tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.categories import Category
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.sinks import FileSink

TOLERANCE = 1.0  # pixels that a polygon may lie off the mask's edge: fewer points to drag
# OpenCV's outlines run through the centres of pixels; those of a finer mask lie nearer to the edge.
_FINER = 2


class CocoAnnotations(FileSink):
    """``{images, annotations, categories}``; each annotation has its ``score``.

    Args:
        target: the JSON file.
        classes: by class index.
        file_name: index of a frame → its file's name, as the labelling tool knows it.
    """

    def __init__(self, target: Path, classes: tuple[Category, ...], file_name: Callable[[int], str]) -> None:
        super().__init__(target)
        self._classes, self._file_name = classes, file_name
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def write(self, frame: Image, result: FrameResult) -> None:
        """Keep the outlines: some kilobytes a picture."""
        image = len(self._images) + 1
        height, width = frame.shape[:2]
        name = self._file_name(result.frame_index)
        self._images.append({"id": image, "file_name": name, "height": height, "width": width})
        for instance in result.instances:
            if polygons := outline(instance):
                self._annotations.append(
                    {
                        "id": len(self._annotations) + 1,
                        "image_id": image,
                        "category_id": self._classes[instance.class_index].id,
                        "segmentation": polygons,
                        "area": instance.area,
                        "bbox": _corner_and_size(instance),
                        "iscrowd": 0,
                        "score": round(instance.score, 4),
                    }
                )

    def _finish(self) -> None:
        content = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": c.id, "name": c.name} for c in self._classes],
        }
        self._temporary.write_text(json.dumps(content), encoding="utf-8")

    def _abandon(self) -> None:
        """Nothing is open."""


def outline(instance: Instance) -> list[list[float]]:
    """The mask's parts as polygons x, y, x, y … in pixels of the frame, their holes filled."""
    finer = np.kron(instance.box_mask, np.ones((_FINER, _FINER), dtype=np.uint8)).astype(np.uint8)
    contours, _ = cv2.findContours(finer, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, TOLERANCE * _FINER, closed=True).reshape(-1, 2)
        if len(points) >= 3:
            # The centre of a finer pixel lies half of it from its corner.
            placed = (points + 0.5) / _FINER + instance.box[:2]
            polygons.append([round(float(value), 2) for value in placed.ravel()])
    return polygons


def _corner_and_size(instance: Instance) -> list[int]:
    x0, y0, x1, y1 = instance.box
    return [x0, y0, x1 - x0, y1 - y0]
