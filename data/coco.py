"""COCO instances: annotation files and results files (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional, Union

from mobilevis.data.annotations import ItemFormat
from mobilevis.data.datasets import Annotation, Image, ImageDataset, ImageResult
from mobilevis.data.records import Record, write_json
from mobilevis.data.segmentations import measure, read_segmentation


def load_coco(
    path: Union[str, Path], images: Optional[Union[str, Path]] = None, strict: bool = False
) -> ImageDataset:
    """Read an annotation file.

    Args:
        path: such as ``annotations/instances_val2017.json``; without ``annotations`` it is a test split.
        images: the folder of images; if given, every image must lie there.
        strict: refuse an annotation that is a box alone, has null fields or a polygon of less than three
            points; else it is read as pycocotools reads it, and the set's ``notes`` say how many there were.

    Raises:
        UserError: the file or a record of it is malformed; the record is named.
    """
    return ImageDataset(*FORMAT.load(Path(path), None if images is None else Path(images), strict))


def _image(record: Record, identity: int) -> Image:
    name = record.path(record.text("file_name"))
    try:
        return Image(
            identity, name, record.integer("height"), record.integer("width"), _labelled_classes(record)
        )
    except ValueError as error:
        raise record.fault(str(error)) from error


def _labelled_classes(record: Record) -> Optional[tuple[str, ...]]:
    """``labelled_classes``, ours, of sets that are labelled in part; a list of names."""
    if record.fields.get("labelled_classes") is None:
        return None
    names = record.items("labelled_classes")
    if not all(isinstance(name, str) for name in names):
        raise record.fault("labelled_classes is not a list of names")
    return tuple(names)


def _annotation(record: Record, identity: int, image: Image, category_id: int) -> Annotation:
    raw = record.fields.get("segmentation")
    segmentation = read_segmentation(raw, (image.height, image.width), record)
    area, box = 0.0, (0.0, 0.0, 0.0, 0.0)
    if not {"area", "bbox"} <= record.fields.keys():
        area, box = measure(segmentation)
    if "area" in record.fields:
        area = record.number("area")
    if "bbox" in record.fields:
        x, y, width, height = (record.check_number(v, "bbox") for v in record.items("bbox", 4))
        box = x, y, width, height
    crowd = record.flag("iscrowd")
    return Annotation(identity, image.id, category_id, segmentation, area, box, crowd)


FORMAT = ItemFormat("images", _image, _annotation, lambda image: [image.file_name])


def save_coco(dataset: ImageDataset, path: Union[str, Path]) -> None:
    """Write an annotation file; segmentations are compressed RLE."""
    content: dict[str, Any] = {
        "categories": [{"id": c.id, "name": c.name} for c in dataset.categories],
        "images": [
            {
                "id": i.id,
                "file_name": i.file_name,
                "height": i.height,
                "width": i.width,
                **({} if i.labelled_classes is None else {"labelled_classes": list(i.labelled_classes)}),
            }
            for i in dataset.images
        ],
        "annotations": [
            {
                "id": a.id,
                "image_id": a.image_id,
                "category_id": a.category_id,
                "segmentation": a.segmentation,
                "area": a.area,
                "bbox": list(a.bbox),
                "iscrowd": int(a.iscrowd),
            }
            for a in dataset.annotations
        ],
    }
    write_json(path, content)


def load_coco_results(path: Union[str, Path], dataset: ImageDataset) -> list[ImageResult]:
    """Read a results file: a list of ``{image_id, category_id, score, segmentation}``.

    Raises:
        UserError: the file or a record of it is malformed, or names what the data set lacks.
    """
    results = []
    for record, image, category in FORMAT.results(Path(path), dataset.image_by_id, dataset.category_by_id):
        raw = record.fields.get("segmentation")
        segmentation = read_segmentation(raw, (image.height, image.width), record)
        results.append(ImageResult(image.id, category.id, record.number("score"), segmentation))
    return results


def save_coco_results(results: Iterable[ImageResult], path: Union[str, Path]) -> None:
    """Write a results file."""
    content = [
        {
            "image_id": result.image_id,
            "category_id": result.category_id,
            "score": result.score,
            "segmentation": result.segmentation,
        }
        for result in results
    ]
    write_json(path, content)
