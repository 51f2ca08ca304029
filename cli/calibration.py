"""The pictures that a quantiser measures ranges on: a folder, a video, or the images of a set."""

from __future__ import annotations

from pathlib import Path

from mobilevis.data.layouts import annotations_of, frame_files
from mobilevis.runtime.files import is_file
from mobilevis.runtime.sources import ImageFiles, Source, open_source


def open_pictures(path: Path) -> Source:
    """Open a folder of pictures, a video, or a set.

    Args:
        path: of a set, COCO or YouTube-VIS annotations, or the folder that ``mobilevis data`` wrote.

    Raises:
        UserError: there is nothing to read, or the annotations are malformed or name a missing folder.
    """
    annotations = annotations_of(path)
    if annotations.suffix == ".json" and is_file(annotations):
        return ImageFiles(str(path), frame_files(annotations), stills=True)
    return open_source(path, stills=True)
