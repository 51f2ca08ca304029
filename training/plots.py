"""The curves of a run as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from mobilevis.runtime.errors import missing_extra
from mobilevis.runtime.files import atomic_path
from mobilevis.training.logging import ITERATION, VALIDATION_FILE, read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, float]]

COLUMNS = 3  # of panels
CURVES_FILE = "curves.png"


def smooth(values: Sequence[float], share: float = 0.05) -> list[float]:
    """The mean of each value and its neighbours, within ``share`` of the whole to both sides."""
    reach = int(len(values) * share)
    return [fmean(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]


def plot_curves(folder: Path) -> Path:
    """Draw what a run's logs hold against the iteration: each column of ``log.csv``, as it is and smoothed.

    The figures of ``validation.csv`` share the first panel, where the best weights are marked.

    Args:
        folder: the run's folder.

    Returns:
        The PNG's path, ``curves.png`` in the folder.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise missing_extra("matplotlib", "train") from error
    training, validation = read_log(folder), read_log(folder, VALIDATION_FILE)
    names = [name for name in (training[0] if training else ()) if name != ITERATION]
    panels = len(names) + bool(validation)
    rows = max(1, -(-panels // COLUMNS))
    figure = Figure(figsize=(4 * COLUMNS, 2.6 * rows), layout="constrained")
    axes = iter([figure.add_subplot(rows, COLUMNS, position) for position in range(1, panels + 1)])
    if validation:
        _draw_validation(next(axes), validation)
    for name, panel in zip(names, axes):
        _draw_column(panel, name, training)
    with atomic_path(folder / CURVES_FILE) as temporary:
        figure.savefig(temporary, dpi=110)
    return folder / CURVES_FILE


def _draw_validation(axes: Axes, rows: Rows) -> None:
    figures = [name for name in rows[0] if name != ITERATION]
    iterations = [row[ITERATION] for row in rows]
    for name in figures:
        axes.plot(iterations, [row[name] for row in rows], linewidth=1.5, marker=".", label=name)
    best = max(rows, key=lambda row: row[figures[0]])
    told = f"best {figures[0]} {best[figures[0]]:.3f} at {best[ITERATION]:.0f}"
    axes.plot(best[ITERATION], best[figures[0]], "k*", markersize=10, label=told)
    axes.legend(fontsize="x-small")
    _label(axes, "validation")


def _draw_column(axes: Axes, name: str, rows: Rows) -> None:
    iterations, values = [row[ITERATION] for row in rows], [row[name] for row in rows]
    axes.plot(iterations, values, linewidth=0.7, alpha=0.4)
    axes.plot(iterations, smooth(values), linewidth=1.5, color="C0")
    _label(axes, name.replace("_", " "))


def _label(axes: Axes, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.ticklabel_format(useOffset=False)
    axes.set_title(title)
    axes.set_xlabel(ITERATION)
    axes.grid(alpha=0.3)
