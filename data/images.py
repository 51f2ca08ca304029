"""Read the images that an annotation file names."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, is_file
from mobilevis.runtime.images import read_rgb
from mobilevis.runtime.reading import path_status


def image_folder(annotations: Path, first: str) -> Path:
    """Where the published layouts put the images of an annotation file.

    Args:
        annotations: the file.
        first: the name in it of one of the images.

    Raises:
        UserError: the image is in none of the places.
    """
    split = annotations.stem.rpartition("_")[2]  # annotations/instances_val2017.json goes with val2017/
    beside = annotations.parent
    published = (beside / "JPEGImages", beside.parent / split, beside / "images")
    for folder in (*published, beside.parent / "images", beside / split, beside):
        if is_file(folder / first):
            return folder
    raise UserError("the images of this file are not found", annotations, "give their folder with --images")


def read_image(path: Path, size: Optional[tuple[int, int]] = None) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8 RGB.

    Args:
        path: the file.
        size: (height, width) that its annotations were made for.

    Raises:
        UserError: it is missing, no image, cut off, too large, or of another size.
    """
    status = path_status(path)
    if status is None or stat.S_ISDIR(status.st_mode):
        raise UserError("the image is missing", path, "check the folder of images")
    # Annotations are made for the stored pixels: an orientation flag in the file must not turn them.
    image = read_rgb(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if size is not None and image.shape[:2] != size:
        found, wanted = ("x".join(map(str, s)) for s in (image.shape[:2], size))
        raise UserError(f"the image is {found}, its annotations say {wanted}", path, "check the set")
    return image


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) uint8 RGB as PNG, whole or not at all.

    Raises:
        UserError: the name does not end in .png, or the place cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UserError("the picture is a PNG", path, "name it .png")
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
