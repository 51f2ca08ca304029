"""Where the parts of a set lie in a folder, as annotation tools export it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Optional

from mobilevis.data.coco import load_coco
from mobilevis.data.images import image_folder
from mobilevis.data.records import read_json
from mobilevis.data.ytvis import load_ytvis
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import is_folder

COCO_FILES = (
    "annotations/instances_{split}*.json",  # COCO
    "instances_{split}*.json",
    "{split}/_annotations.coco.json",  # Roboflow
    "{split}.json",
)
SET_FILE = "instances.json"
ONE_COCO_FILE = ("annotations/instances_default.json", SET_FILE, "annotations.json", "result.json")
YOLO_FOLDERS = ("images/{split}", "{split}/images")
YOLO_NAMES = ("data.yaml", "dataset.yaml")
HELD_OUT = ("val", "valid")  # the second is Roboflow's


class SetPlace(NamedTuple):
    """A set's format, a name of ``data.format``, its file of annotations or names, and its images."""

    format: str
    annotations: Path
    images: Path


def find_set(path: Path, split: str = "train") -> Optional[SetPlace]:
    """A set of images of COCO's or YOLO's format.

    Args:
        path: a folder, a COCO file or YOLO's data.yaml.
        split: which part, such as ``train`` or ``val``; a set without parts is all ``train``.

    Returns:
        None where the set has no such part.

    Raises:
        UserError: there is no set, or its images are not found.
    """
    is_train = split == "train"
    if path.suffix in (".yaml", ".yml"):
        return _yolo(path, split)
    if path.suffix == ".json":
        return _coco(path) if is_train else None
    for name in YOLO_NAMES:
        if (path / name).is_file():
            return _yolo(path / name, split)
    patterns = [name.format(split=split) for name in COCO_FILES] + (list(ONE_COCO_FILE) if is_train else [])
    files = [file for pattern in patterns for file in sorted(path.glob(pattern))]
    if files:
        return _coco(files[0])
    if not is_train:
        return None
    known = ", ".join((*YOLO_NAMES, *patterns))
    raise UserError("no annotations of COCO's or YOLO's format are found", path, f"it needs one of {known}")


def annotations_of(path: Path) -> Path:
    """The annotations of a set as ``mobilevis data`` writes it, where a folder is given; else the file."""
    return path / SET_FILE if is_folder(path) else path


def frame_files(annotations: Path) -> list[Path]:
    """The images of a COCO file, or the frames of a YouTube-VIS one, where the published layouts have them.

    Raises:
        UserError: the file is malformed, or its images are not found.
    """
    if holds_videos(read_json(annotations)):
        names = [name for video in load_ytvis(annotations).videos for name in video.file_names]
    else:
        names = [image.file_name for image in load_coco(annotations).images]
    folder = image_folder(annotations, names[0] if names else "")
    return [folder / name for name in names]


def holds_videos(raw: Any) -> bool:
    """Whether the JSON of an annotation file is YouTube-VIS's, not COCO's."""
    return isinstance(raw, dict) and "videos" in raw


def find_held_out(path: Path) -> Optional[SetPlace]:
    """The part of a set that is kept for validation; None where it has none. See ``find_set``."""
    found = (find_set(path, split) for split in HELD_OUT)
    return next((place for place in found if place is not None), None)


def _yolo(names: Path, split: str) -> Optional[SetPlace]:
    wanted = [names.parent / folder.format(split=split) for folder in YOLO_FOLDERS]
    wanted += [names.parent / "images"] if split == "train" else []
    for folder in wanted:
        if folder.is_dir():
            return SetPlace("yolo-seg", names, folder)
    if split != "train":
        return None
    raise UserError("the images of this set are not found", names, "put them into images/train beside it")


def _coco(annotations: Path) -> SetPlace:
    images = load_coco(annotations).images
    if not images:
        raise UserError("the set has no images", annotations, "give a set with images")
    return SetPlace("coco", annotations, image_folder(annotations, images[0].file_name))
