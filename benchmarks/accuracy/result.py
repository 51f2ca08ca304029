"""The result of an accuracy evaluation, and its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Callable

RESULT_SCHEMA = 1
RESULT_KIND = "mobilevis.accuracy"
ABSENT = -1.0  # the references' figure where there is no ground truth to find

Figures = Mapping[str, float]
ProgressBar = Callable[[Sequence[Any]], Iterable[Any]]  # wraps the items of an evaluator's longest loop


def _check(figures: Figures) -> None:
    for name, value in figures.items():
        if value != ABSENT and not 0.0 <= value <= 1.0 + 1e-9:
            raise ValueError(f"{name} = {value} is no fraction in [0, 1]")


@dataclass(frozen=True)
class ClassAccuracy:
    """The figures of one category, by the dataset's own id."""

    id: int
    name: str
    metrics: Figures

    def __post_init__(self) -> None:
        _check(self.metrics)


@dataclass(frozen=True)
class AccuracyResult:
    """What an evaluator measured.

    Attributes:
        metric: a name in ``METRICS``.
        metrics: figure → fraction in [0, 1], or -1 where the ground truth has nothing of that kind.
        per_class: the same of each category.
        counts: how much was evaluated: videos or images, annotations, results.
        notes: what a reader of the figures should know.
    """

    metric: str
    metrics: Figures
    per_class: tuple[ClassAccuracy, ...]
    counts: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        _check(self.metrics)

    def to_dict(self, **provenance: Any) -> dict[str, Any]:
        """The result as a JSON object: schema version, figures, and where they come from."""
        return {"kind": RESULT_KIND, "schema": RESULT_SCHEMA, **asdict(self), **provenance}
