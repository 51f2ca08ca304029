"""What COCO's and YouTube-VIS's annotation files have in common: categories, items and objects that refer to
both. An item is an image or a video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Generic, Optional, Protocol, TypeVar

from mobilevis.data.mending import Mender
from mobilevis.data.records import (
    Record,
    check_files,
    read_categories,
    read_json,
    records,
    top_level,
    unique_id,
)
from mobilevis.runtime.categories import Category


class Identified(Protocol):
    """An image or a video."""

    @property
    def id(self) -> int:
        """Unique in the set."""


Item = TypeVar("Item", bound=Identified)
Object = TypeVar("Object")


@dataclass(frozen=True)
class ItemFormat(Generic[Item, Object]):
    """How a format spells its items.

    Attributes:
        items: the key of their list; the objects refer to them by ``<item>_id``.
        read_item: record and id → item.
        read_object: record, id, item and category id → object.
        file_names: the item's files.
    """

    items: str
    read_item: Callable[[Record, int], Item]
    read_object: Callable[[Record, int, Item, int], Object]
    file_names: Callable[[Item], Sequence[str]]

    @property
    def reference(self) -> str:
        """The key by which an object or a result names its item."""
        return f"{self.items[:-1]}_id"

    def load(
        self, path: Path, folder: Optional[Path], strict: bool
    ) -> tuple[tuple[Category, ...], tuple[Item, ...], tuple[Object, ...], tuple[str, ...]]:
        """Categories, items, objects and notes of an annotation file.

        Args:
            path: the file; without ``annotations`` it is a test split.
            folder: if given, every item's files must lie there.
            strict: refuse what ``Mender`` would mend.

        Raises:
            UserError: the file or a record of it is malformed; the record is named.
        """
        file = top_level(read_json(path), path)
        categories = {category.id: category for category in read_categories(file)}
        items: dict[int, Item] = {}
        files: dict[str, str] = {}
        for record in records(file.items(self.items), self.items, path):
            item = self.read_item(record, unique_id(record, items))
            items[item.id] = item
            files.update(dict.fromkeys(self.file_names(item), record.label))
        if folder is not None:
            check_files(files, folder, path)
        objects: dict[int, Object] = {}
        mender = Mender(strict)
        for record in mender.mend(records(file.fields.get("annotations") or [], "annotations", path)):
            identity = unique_id(record, objects)
            item = record.reference(self.reference, items)
            category = record.reference("category_id", categories)
            objects[identity] = self.read_object(record, identity, item, category.id)
        return tuple(categories.values()), tuple(items.values()), tuple(objects.values()), mender.notes

    def results(
        self, path: Path, items: Mapping[int, Item], categories: Mapping[int, Category]
    ) -> Iterator[tuple[Record, Item, Category]]:
        """The records of a results file, with what each refers to.

        Raises:
            UserError: the file is malformed, or a record names what the data set lacks.
        """
        for record in records(read_json(path), "results", path):
            item = record.reference(self.reference, items)
            yield record, item, record.reference("category_id", categories)
