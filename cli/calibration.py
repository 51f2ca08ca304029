"""The pictures that a quantiser measures ranges on: a folder, a video, or the images of COCO annotations."""

from __future__ import annotations

from pathlib import Path

from mobilevis.runtime.sources import ImageFiles, Source, open_source


def open_pictures(path: Path) -> Source:
    """Open a folder of pictures, a video, or a .json file of COCO annotations.

    Raises:
        UserError: there is nothing to read, or the annotations are malformed or name a missing folder.
    """
    if path.suffix != ".json":
        return open_source(path, stills=True)
    from mobilevis.data.coco import load_coco
    from mobilevis.data.images import image_folder

    images = load_coco(path).images
    folder = image_folder(path, next((image.file_name for image in images), ""))
    return ImageFiles(str(path), [folder / image.file_name for image in images], stills=True)
