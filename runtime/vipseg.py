"""VIPSeg submissions: ``pred.json``, and every pixel's segment in ``pan_pred/<video>/<frame>.png``.

VPQ (arXiv:2006.11339) and STQ (arXiv:2102.11859) compare tubes: the pixels of one class and one id over the
frames. An id therefore has one class in the whole video, its track's, as in the YouTube-VIS results; VIPSeg's
``eval_vpq_vspw.py`` takes the class that the first frame of a window states, so that a track whose class
changes from frame to frame would be judged by chance. A tube's pixels do not change hands with the scores of
single frames either: of two tracks on a pixel, the one of the higher mean score has it in every frame. Both
are known when the video is complete, so the PNGs are written then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime import rle
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import disk_errors, file_exists
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.sinks import FileSink
from mobilevis.runtime.track_spool import TrackSpool

SUBMISSION_FOLDER = "pan_pred"  # of the PNGs, beside pred.json
MAX_ID = (1 << 24) - 1  # three bytes of colour


def id_colors(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Segment ids, (H, W) of at most ``MAX_ID``, as the colours (H, W, 3) uint8 RGB of a panoptic PNG:
    R + 256 G + 65536 B, 0 for void."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def write_video(tracks: TrackSpool, names: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """Write the PNGs of one video; a segment's id is its track's.

    Args:
        tracks: of the whole video.
        names: of its frames' PNGs, in order.
        folder: for the PNGs; made if it is not there.

    Returns:
        The frames' records for ``pred.json``.

    Raises:
        UserError: a track's id is no colour.
        OSError: a PNG cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summaries = tracks.summaries()
    if summaries and max(summaries) > MAX_ID:
        raise UserError(f"track {max(summaries)} is no colour of a PNG", folder, "cut the video into parts")
    records = []
    for name, present in zip(names, tracks.frames()):
        ids = np.zeros(tracks.frame_size, dtype=np.int32)
        for track_id in sorted(present, key=lambda track_id: (summaries[track_id].score, track_id)):
            ids[rle.decode(present[track_id])] = track_id
        visible, areas = np.unique(ids[ids > 0], return_counts=True)
        segments = [
            {"id": i, "category_id": summaries[i].category_id, "iscrowd": 0, "area": area}
            for i, area in zip(visible.tolist(), areas.tolist())
        ]
        records.append({"file_name": name, "segments_info": segments})
        _, data = cv2.imencode(".png", cv2.cvtColor(id_colors(ids), cv2.COLOR_RGB2BGR))
        (folder / name).write_bytes(data.tobytes())
    return records


class PanopticResults(FileSink):
    """A submission of one video.

    Args:
        target: folder that appears when the video is complete.
        classes: the artefact's.
        video: the video's id in the ground truth.
        frame_name: index of a frame → its name there, without suffix.

    Raises:
        UserError: something else than a submission is at ``target``, or it cannot be written.
    """

    def __init__(
        self, target: Path, classes: tuple[Category, ...], video: str, frame_name: Callable[[int], str]
    ) -> None:
        if file_exists(target) and not (target / "pred.json").is_file():
            raise UserError("this is there already, and no submission", target, "name a new folder")
        super().__init__(target, directory=True)
        self._tracks = TrackSpool(classes, target)
        self._video = video
        self._frame_name = frame_name
        self._names: list[str] = []

    def write(self, frame: Image, result: FrameResult) -> None:
        """Keep the frame's masks."""
        with disk_errors(self.target):
            self._tracks.add(result)
        self._names.append(f"{self._frame_name(result.frame_index)}.png")

    def _finish(self) -> None:
        folder = self._temporary / SUBMISSION_FOLDER / self._video
        videos = [{"video_id": self._video, "annotations": write_video(self._tracks, self._names, folder)}]
        (self._temporary / "pred.json").write_text(json.dumps({"annotations": videos}), encoding="utf-8")
        self._tracks.close()

    def _abandon(self) -> None:
        self._tracks.close()
