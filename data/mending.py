"""Read annotations as pycocotools does where a writer was careless, and count how many that concerns.

Annotation tools write ``null`` for an area that nobody computed, ``[]`` for the mask of a box, and polygons
of one or two points where an annotator's hand slipped. pycocotools draws nothing for such a polygon, and
leaves out an odd polygon's last number; of a box alone nobody can make a mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

from mobilevis.data.records import Record

MIN_POLYGON = 6  # numbers: three points
OPTIONAL = ("area", "areas", "bbox", "bboxes", "iscrowd")  # what the mask tells, or has a default


@dataclass
class Mender:
    """Mends the annotations of one file.

    Attributes:
        strict: mend nothing: the reader refuses what is malformed.
        dropped: annotations without a mask.
        repaired: annotations of which a part was left out.
    """

    strict: bool = False
    dropped: int = 0
    repaired: int = 0

    def mend(self, records: Iterable[Record]) -> Iterator[Record]:
        """The annotations, as they can be read; what is malformed in another way is left to the reader."""
        for record in records:
            fields = record.fields if self.strict else _mend_fields(record.fields)
            if fields is None:
                self.dropped += 1
                continue
            self.repaired += fields is not record.fields
            yield replace(record, fields=fields)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line, if there is something to say."""
        if not (self.dropped or self.repaired):
            return ()
        return (
            f"annotations: {self.dropped} without a mask dropped, {self.repaired} with null fields or "
            "broken polygons repaired (--strict refuses them)",
        )


def _mend_fields(fields: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """The same object if nothing is to be mended; None if there is no mask."""
    mended = {key: value for key, value in fields.items() if not (key in OPTIONAL and _is_absent(value))}
    if "segmentations" in fields:
        if _is_absent(fields["segmentations"]):
            return None
        if isinstance(fields["segmentations"], list):
            mended["segmentations"] = [_mend_mask(mask) for mask in fields["segmentations"]]
    elif _is_absent(mask := _mend_mask(fields.get("segmentation"))):
        return None
    else:
        mended["segmentation"] = mask
    return fields if mended == fields else mended


def _is_absent(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))


def _mend_mask(raw: Any) -> Any:
    """Polygons of three points and more; None where none is left."""
    if not isinstance(raw, list):
        return raw
    polygons = [
        polygon[: len(polygon) // 2 * 2] if isinstance(polygon, list) else polygon
        for polygon in raw
        if not isinstance(polygon, list) or len(polygon) >= MIN_POLYGON
    ]
    return polygons or None
