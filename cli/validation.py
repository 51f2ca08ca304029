"""What ``mobilevis train`` measures on a held-out set: eager PyTorch behind an artefact's own driver."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

from mobilevis.benchmarks.accuracy.metrics import METRICS
from mobilevis.benchmarks.accuracy.result import ProgressBar
from mobilevis.benchmarks.accuracy.run import default_options, run_accuracy
from mobilevis.benchmarks.accuracy.sets import MeasuredSet, open_coco, open_vipseg, open_ytvis
from mobilevis.cli.options import default_association
from mobilevis.data.coco import save_coco
from mobilevis.data.contact_sheet import SheetLayout, contact_sheet
from mobilevis.data.images import write_png
from mobilevis.data.yolo import load_yolo
from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.models.entries import StreamingModel
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.training.config import TrainConfig

YOLO = "yolo-seg"
# Format of a set → the metric of its kind, and what finds its images.
MEASURES: dict[str, tuple[str, Callable[..., MeasuredSet[Any]]]] = {
    "coco": ("coco", open_coco),
    YOLO: ("coco", open_coco),
    "youtube-vis": ("ytvis", open_ytvis),
    "vipseg": ("vpq", open_vipseg),
}
STILL_COLUMNS = 4


class HeldOutSet:
    """The set of a configuration's ``[validation]`` table; a ``mobilevis.training.validation.Validator``.

    Args:
        config: has such a table.
        strict: refuse annotations that would be mended.
    """

    def __init__(self, config: TrainConfig, strict: bool = False) -> None:
        self._table, self._strict, self._name = config.validation, strict, config.model.name
        self._size, self._form = config.validation_size, config.validation_format
        self._metric, self._open = MEASURES[self._form]
        self._annotations, self._images = Path(self._table.annotations), Path(self._table.images)
        if self._form == YOLO:  # evaluators read COCO's format: translated once, and gone with this object
            self._folder = tempfile.TemporaryDirectory()
            translated = Path(self._folder.name) / f"{self._annotations.stem}.json"
            save_coco(load_yolo(self._annotations, self._images, strict), translated)
            self._annotations = translated

    def check(self, model: StreamingModel, classes: Sequence[Category]) -> None:
        """See ``Validator.check``: the input's size, the driver's options, the set and its files."""
        self._segmenter(model, classes)
        found = self._open(self._annotations, self._images, classes, self._strict)
        if not found.objects:
            raise UserError(
                "there is nothing to find", self._table.annotations, "name another set in [validation]"
            )
        found.require_files()

    def measure(
        self, model: StreamingModel, classes: Sequence[Category], sheet: Path, progress: ProgressBar
    ) -> Mapping[str, float]:
        """See ``Validator.measure``: the figures that ``mobilevis bench accuracy`` prints."""
        segmenter = self._segmenter(model, classes)
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "results.json"
            found = run_accuracy(
                segmenter, self._metric, self._annotations, results, self._images, progress, self._strict
            )
            if layout := self._layout():
                write_png(sheet, contact_sheet(results, self._images, self._annotations, layout))
        headline = METRICS[self._metric].headline
        return {name: found.metrics[name] for name in headline or found.metrics}

    def _segmenter(self, model: StreamingModel, classes: Sequence[Category]) -> VideoSegmenter:
        try:
            streaming, metadata = describe(model, self._size, name=self._name, classes=classes)
        except ValueError as error:
            raise UserError(str(error), fix="correct validation.input_size") from error
        defaults = {**default_association(metadata), **default_options(self._metric)}
        return VideoSegmenter(
            EagerArtefact(model, streaming, metadata), **{**defaults, **self._table.options}
        )

    def _layout(self) -> Optional[SheetLayout]:
        """The sheet's, or None where there is none: stills beside one another, a row for each video."""
        count, least = self._table.sheet_size, self._table.sheet_score
        if not count or self._form == "vipseg":
            return None
        if self._metric == "coco":
            columns = min(count, STILL_COLUMNS)
            return SheetLayout(-(-count // columns), columns, min_score=least)
        return SheetLayout(count, min_score=least)
