"""Read JSON that someone else wrote: every fault is refused with the file and the record named."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Optional, TypeVar, Union

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, is_file
from mobilevis.runtime.reading import path_status, read_bounded

MAX_FILE_BYTES = 4 << 30  # the largest published annotation file, LVIS, is 1.2 GB
# What polygons cost to rasterise goes by their length, 12 to 25 million pixels a second on one core, and not
# by the file's: a triangle across a frame of 16384 pixels takes 75 bytes.
MAX_OUTLINES = 1 << 26  # of a file of at most ``SMALL_FILE_BYTES``: 6 s at the slowest
SMALL_FILE_BYTES = 10 << 20
OUTLINE_OF_A_BYTE = 128  # of what is beyond: a 4K frame's own outline in 100 bytes
MAX_INTEGER = (1 << 63) - 1  # ids become NumPy's, and each evaluator's, 64-bit integers
FIX = "mend this record, or write the file again"

T = TypeVar("T")


@dataclass
class OutlineBudget:
    """How long the polygons of one file may be together.

    Attributes:
        limit: in pixels.
        spent: by the records that were read so far.
    """

    limit: float = MAX_OUTLINES
    spent: float = 0.0

    @classmethod
    def of_file(cls, path: Path) -> OutlineBudget:
        """Longer for a large file: no one makes a gigabyte to waste a minute."""
        status = path_status(path)
        beyond = 0 if status is None else max(0, status.st_size - SMALL_FILE_BYTES)
        return cls(MAX_OUTLINES + beyond * OUTLINE_OF_A_BYTE)


@dataclass(frozen=True)
class Record:
    """One JSON object of a file, hostile until its fields were read.

    Attributes:
        fields: the object.
        label: which object of the file it is, such as ``annotations[3] (id 17)``.
        file: where it was read.
        budget: what it shares with the other records of its file.
    """

    fields: Mapping[str, Any]
    label: str
    file: Path
    budget: OutlineBudget = field(default_factory=OutlineBudget, compare=False)

    def fault(self, what: str) -> UserError:
        """The error that names this record."""
        return UserError(f"{self.label}: {what}", self.file, FIX)

    def spend_outline(self, pixels: float) -> None:
        """Count the length of polygons that are to be rasterised.

        Raises:
            UserError: those of the file are too long together.
        """
        self.budget.spent += pixels
        if self.budget.spent > self.budget.limit:
            what = f"the polygons up to here are more than {self.budget.limit:.0f} pixels long together"
            raise UserError(f"{self.label}: {what}", self.file, "write large masks as RLE")

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self._require(key)
        # Some writers store ids and sizes as 640.0.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(f"{key} {value!r:.60} is not a whole number")
        if abs(value) > MAX_INTEGER:
            raise self.fault(f"{key} does not fit a 64-bit integer")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        return self.check_number(self._require(key), key)

    def check_number(self, value: Any, name: str) -> float:
        """The value, if it is a finite number."""
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.fault(f"{name} {value!r:.60} is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.fault(f"{name} is not finite")
        return number

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._require(key)
        if not isinstance(value, str) or not value or not _is_unicode(value):
            raise self.fault(f"{key} {value!r:.60} is not a text")
        return value

    def items(self, key: str, length: Optional[int] = None) -> Sequence[Any]:
        """A list, of the given length if one is given."""
        value = self._require(key)
        if not isinstance(value, list):
            raise self.fault(f"{key} is not a list")
        if length is not None and len(value) != length:
            raise self.fault(f"{key} has {len(value)} items, not {length}")
        return value

    def flag(self, key: str) -> bool:
        """0 or 1; absent is 0."""
        value = self.fields.get(key, 0)
        if value not in (0, 1):
            raise self.fault(f"{key} {value!r:.60} is not 0 or 1")
        return bool(value)

    def reference(self, key: str, known: Mapping[int, T]) -> T:
        """What an id of another record refers to."""
        value = self.integer(key)
        if value not in known:
            raise self.fault(f"{key} {value} is unknown")
        return known[value]

    def path(self, name: Any) -> str:
        """A relative path of forward slashes that stays inside its folder."""
        if not isinstance(name, str) or not name or not _is_unicode(name):
            raise self.fault(f"file name {name!r:.60} is not a text")
        windows = PureWindowsPath(name)  # splits at both kinds of slash
        if windows.drive or windows.root or ".." in windows.parts or "\0" in name:
            raise self.fault(f"file name {name!r:.60} leaves its folder")
        return name

    def _require(self, key: str) -> Any:
        if key not in self.fields:
            raise self.fault(f"{key} is missing")
        return self.fields[key]


def _is_unicode(text: str) -> bool:
    """JSON can spell half a surrogate pair, which no file and no terminal can."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def read_json(path: Path) -> Any:
    """The content of a JSON file of at most ``MAX_FILE_BYTES``.

    Raises:
        UserError: the file is missing, no regular file, too large or no JSON.
    """
    data = read_bounded(path, MAX_FILE_BYTES)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not a JSON file: {str(error)[:120]}", path, "write the file again") from error


def write_json(path: Union[str, Path], content: Any) -> None:
    """Write compact JSON, whole or not at all; equal content gives equal bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, separators=(",", ":"), allow_nan=False), encoding="utf-8")


def top_level(raw: Any, path: Path) -> Record:
    """The file's one object."""
    if not isinstance(raw, dict):
        raise UserError("the file is not a JSON object", path, "give an annotation file")
    return Record(raw, "the file", path)


def records(items: Any, name: str, path: Path) -> Iterator[Record]:
    """The objects of a list, labelled with their place and id."""
    if not isinstance(items, list):
        raise UserError(f"{name} is not a list", path, "write the file again")
    budget = OutlineBudget.of_file(path)
    for index, item in enumerate(items):
        label = f"{name}[{index}]"
        if not isinstance(item, dict):
            raise UserError(f"{label} is not a JSON object", path, FIX)
        identity = item.get("id")
        yield Record(item, label if identity is None else f"{label} (id {identity!r:.20})", path, budget)


def unique_id(record: Record, known: Mapping[int, Any]) -> int:
    """The record's id, which no earlier record has."""
    identity = record.integer("id")
    if identity in known:
        raise record.fault(f"id {identity} was used before")
    return identity


def read_categories(file: Record) -> tuple[Category, ...]:
    """The file's categories."""
    known: dict[int, Category] = {}
    for record in records(file.items("categories"), "categories", file.file):
        identity = unique_id(record, known)
        known[identity] = Category(identity, record.text("name"))
    return tuple(known.values())


def check_files(names: Mapping[str, str], folder: Path, path: Path) -> None:
    """Refuse a set whose images are not all there.

    Args:
        names: file name → label of the record that names it.
        folder: where the files must lie.
        path: the annotation file, for the error message.
    """
    for name, label in names.items():
        if not is_file(folder / name):
            raise UserError(f"{label}: image {folder / name} is missing", path, "check the folder of images")
