"""A VIPSeg submission as a sink: ``pred.json`` and ``pan_pred/<video>/<frame>.png`` in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import disk_errors, file_exists
from mobilevis.runtime.panoptic import SUBMISSION_FOLDER, id_colors
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.sinks import FileSink

Image = NDArray[np.uint8]


class PanopticResults(FileSink):
    """Panoptic maps of one video; a segment's id is its track's, in every frame.

    Args:
        target: folder that appears when the video is complete.
        classes: the artefact's.
        video: the video's id in the ground truth.
        frame_name: index of a frame → its name there, without suffix.

    An instance keeps the pixels that none of a higher score has: those of a panoptic artefact do not overlap.

    Raises:
        UserError: something else than a submission is at ``target``, or it cannot be written.
    """

    def __init__(
        self, target: Path, classes: tuple[Category, ...], video: str, frame_name: Callable[[int], str]
    ) -> None:
        if file_exists(target) and not (target / "pred.json").is_file():
            raise UserError("this is there already, and no submission", target, "name a new folder")
        super().__init__(target, directory=True)
        self._classes = classes
        self._video = video
        self._frame_name = frame_name
        self._records: list[dict[str, Any]] = []
        with disk_errors(target):
            (self._temporary / SUBMISSION_FOLDER / video).mkdir(parents=True)

    def write(self, frame: Image, result: FrameResult) -> None:
        """Write the frame's PNG, and keep its record."""
        ids = np.zeros(result.frame_size, dtype=np.int32)
        for item in reversed(result.instances):
            x0, y0, x1, y1 = item.box
            ids[y0:y1, x0:x1][item.box_mask] = item.track_id
        areas = dict(zip(*(array.tolist() for array in np.unique(ids, return_counts=True))))
        name = f"{self._frame_name(result.frame_index)}.png"
        segments = [
            {
                "id": item.track_id,
                "category_id": self._classes[item.class_index].id,
                "iscrowd": 0,
                "area": areas[item.track_id],
            }
            for item in result.instances
            if item.track_id in areas
        ]
        self._records.append({"file_name": name, "segments_info": segments})
        with disk_errors(self.target):
            _, data = cv2.imencode(".png", cv2.cvtColor(id_colors(ids), cv2.COLOR_RGB2BGR))
            (self._temporary / SUBMISSION_FOLDER / self._video / name).write_bytes(data.tobytes())

    def _finish(self) -> None:
        submission = {"annotations": [{"video_id": self._video, "annotations": self._records}]}
        (self._temporary / "pred.json").write_text(json.dumps(submission), encoding="utf-8")

    def _abandon(self) -> None:
        """Nothing is open."""
