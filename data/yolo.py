"""YOLO segmentation labels: a text file an image, a line an object, as Ultralytics' and other tools write.

    class x y x y x y …        class from 0, polygon in fractions of the image's width and height

``data.yaml`` names the classes; the labels of ``images/train/a.jpg`` are ``labels/train/a.txt``. An image
without labels shows nothing (https://docs.ultralytics.com/datasets/segment).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Union

import cv2
import numpy as np

from mobilevis.data.datasets import Annotation, Image, ImageDataset
from mobilevis.data.images import read_image
from mobilevis.data.records import Record
from mobilevis.data.segmentations import bounding_box, read_segmentation
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError, missing_extra
from mobilevis.runtime.images import IMAGE_SUFFIXES, read_rgb
from mobilevis.runtime.reading import read_bounded

MAX_YAML_BYTES = 1 << 20
MAX_LABEL_BYTES = 16 << 20  # a thousand polygons of a thousand points
BOX_NUMBERS = 4
LEAST_NUMBERS = 6  # three points
SLACK = 0.01  # tools write polygons that leave the image by rounding
_FIX = "correct the line, or export the labels again as polygons"


def load_yolo(path: Union[str, Path], images: Union[str, Path], strict: bool = False) -> ImageDataset:
    """Read the labels of a folder of images.

    Args:
        path: ``data.yaml``, with ``names``.
        images: the folder; the labels lie in that of the same path with ``labels`` for ``images``.
        strict: refuse a line that is a box alone; else it is dropped, and the set's ``notes`` say how many.

    Raises:
        UserError: the file or a line is malformed, or an image cannot be read.
    """
    names, folder = read_names(Path(path)), Path(images)
    files = list_images(folder)
    found: list[Image] = []
    annotations: list[Annotation] = []
    boxes = 0
    for identity, file in enumerate(files, start=1):
        height, width = _upright_size(file)
        found.append(Image(identity, file.name, height, width))
        for record, label, numbers in _lines(label_folder(folder) / f"{file.stem}.txt", len(names)):
            if len(numbers) == BOX_NUMBERS and not strict:
                boxes += 1
                continue
            points = np.clip(_polygon(record, numbers), 0.0, 1.0) * (width, height)
            mask = read_segmentation([points.ravel().tolist()], (height, width), record)
            box, area = bounding_box(mask), float(rle.area(mask))
            annotations.append(Annotation(len(annotations) + 1, identity, label, mask, area, box))
    categories = tuple(Category(index, name) for index, name in enumerate(names))
    notes = (f"annotations: {boxes} boxes without a mask dropped (--strict refuses them)",) if boxes else ()
    return ImageDataset(categories, tuple(found), tuple(annotations), notes)


def read_names(path: Path) -> list[str]:
    """The classes of a ``data.yaml``, by index: a list, or a table of index and name.

    Raises:
        UserError: the file cannot be read, or has no names.
    """
    try:
        import yaml
    except ImportError as error:
        raise missing_extra("pyyaml", "data") from error
    fix = "give a data.yaml with names: [cup, bottle]"
    try:
        # The safe loader makes plain values only; aliases are shared, not copied.
        content: Any = yaml.safe_load(read_bounded(path, MAX_YAML_BYTES, fix))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError("not a YAML file", path, fix) from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise UserError("names is not a list of class names", path, fix)
    if len(set(names)) < len(names):
        raise UserError("two classes have one name", path, fix)
    return names


def list_images(folder: Path) -> list[Path]:
    """The folder's image files by name.

    Raises:
        UserError: it is no folder, or there are none.
    """
    found = folder.iterdir() if folder.is_dir() else ()
    files = sorted(file for file in found if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise UserError("no images in this folder", folder, "give the folder of images with data.images")
    return files


def label_folder(images: Path) -> Path:
    """Where the labels of a folder of images lie: the last ``images`` of its path is ``labels``.

    >>> label_folder(Path("set/images/train")).as_posix()
    'set/labels/train'
    """
    parts = list(images.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


def _lines(path: Path, num_classes: int) -> Iterator[tuple[Record, int, Sequence[float]]]:
    """Record for errors, class and the numbers behind it of each line."""
    if not path.exists():
        return
    try:
        text = read_bounded(path, MAX_LABEL_BYTES).decode("ascii")
    except UnicodeDecodeError as error:
        raise UserError("not a text of numbers", path, _FIX) from error
    for place, line in enumerate(text.splitlines(), start=1):
        record = Record({}, f"line {place}", path)
        try:
            values = [float(word) for word in line.split()]
        except ValueError as error:
            raise record.fault("not a list of numbers") from error
        if not values:
            continue
        if values[0] not in range(num_classes):
            raise record.fault(f"class {values[0]:g} is not 0 to {num_classes - 1}")
        yield record, int(values[0]), values[1:]


def _polygon(record: Record, numbers: Sequence[float]) -> np.ndarray:
    """(points, 2), x and y."""
    if len(numbers) < LEAST_NUMBERS or len(numbers) % 2:
        raise record.fault(f"{len(numbers)} numbers are not three or more x, y pairs")
    points = np.array(numbers).reshape(-1, 2)
    if not bool(((points >= -SLACK) & (points <= 1 + SLACK)).all()):
        raise record.fault("a point does not lie in [0, 1]")
    return points


def _upright_size(file: Path) -> tuple[int, int]:
    """(height, width) of an image that no orientation flag turns.

    Labels are fractions of what an annotator saw, and images are read as they are stored.

    Raises:
        UserError: the image is turned by a flag, or cannot be read.
    """
    stored = read_image(file)
    if not np.array_equal(stored, read_rgb(file, cv2.IMREAD_COLOR)):
        fix = "save it upright (mogrify -auto-orient)"
        raise UserError("the image is turned by an orientation flag", file, fix)
    return stored.shape[0], stored.shape[1]
