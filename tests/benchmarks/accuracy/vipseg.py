"""Small data sets in VIPSeg's panoptic format."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CATEGORIES = [
    {"id": 0, "name": "wall", "isthing": 0},
    {"id": 1, "name": "cat", "isthing": 1},
    {"id": 2, "name": "dog", "isthing": 1},
]
Frames = Sequence[Sequence[int]]  # each frame is one row of segment ids, 0 for void


def save_ids(png: Path, ids: np.ndarray) -> None:
    """Write a map of ids as R + 256 G + 65536 B; OpenCV wants the channels as B, G, R."""
    png.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(png), np.stack([ids >> 16, ids >> 8 & 255, ids & 255], axis=-1).astype(np.uint8))


def records(
    folder: Path, video: str, frames: Frames, classes: Mapping[int, int], crowds: Collection[int] = ()
) -> dict[str, Any]:
    """Write a video's PNGs and make its annotation record."""
    annotations = []
    for index, row in enumerate(frames):
        ids = np.array([row])
        name = f"{index:05d}.png"
        save_ids(folder / video / name, ids)
        segments = [
            {
                "id": int(i),
                "category_id": classes[int(i)],
                "iscrowd": int(i in crowds),
                "area": int(np.sum(ids == i)),
            }
            for i in np.unique(ids[ids > 0])
        ]
        annotations.append({"file_name": name, "segments_info": segments})
    return {"video_id": video, "annotations": annotations}


def write(
    root: Path,
    truth: Frames,
    prediction: Frames,
    classes: Mapping[int, int],
    crowds: Collection[int] = (),
) -> tuple[Path, Path]:
    """One video ``v`` as ``gt.json`` and ``pred.json`` with their PNGs; an id has one class throughout."""
    annotation = records(root / "panomasksRGB", "v", truth, classes, crowds)
    images = [{"file_name": record["file_name"]} for record in annotation["annotations"]]
    document = {
        "categories": CATEGORIES,
        "videos": [{"video_id": "v", "images": images}],
        "annotations": [annotation],
    }
    answer = {"annotations": [records(root / "pan_pred", "v", prediction, classes)]}
    (root / "gt.json").write_text(json.dumps(document))
    (root / "pred.json").write_text(json.dumps(answer))
    return root / "gt.json", root / "pred.json"
