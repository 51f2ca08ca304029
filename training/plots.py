"""The curves of a run as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from mobilevis.runtime.errors import missing_extra
from mobilevis.runtime.files import atomic_path
from mobilevis.training.logging import read_log

CURVES_FILE = "curves.png"


def smooth(values: Sequence[float], share: float = 0.05) -> list[float]:
    """The mean of each value and its neighbours, within ``share`` of the whole to both sides."""
    reach = int(len(values) * share)
    return [fmean(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]


def plot_curves(folder: Path) -> Path:
    """Draw every column of a run's ``log.csv`` against the iteration, as it is and smoothed.

    Args:
        folder: the run's folder; the log must have at least one row.

    Returns:
        The PNG's path, ``curves.png`` in the folder.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise missing_extra("matplotlib", "train") from error
    rows = read_log(folder)
    names = [name for name in rows[0] if name != "iteration"]
    columns = 3
    figure = Figure(figsize=(4 * columns, 2.6 * -(-len(names) // columns)), layout="constrained")
    for position, name in enumerate(names, start=1):
        axes = figure.add_subplot(-(-len(names) // columns), columns, position)
        iterations, values = [row["iteration"] for row in rows], [row[name] for row in rows]
        axes.plot(iterations, values, linewidth=0.7, alpha=0.4)
        axes.plot(iterations, smooth(values), linewidth=1.5, color="C0")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.ticklabel_format(useOffset=False)
        axes.set_title(name.replace("_", " "))
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.3)
    with atomic_path(folder / CURVES_FILE) as temporary:
        figure.savefig(temporary, dpi=110)
    return folder / CURVES_FILE
