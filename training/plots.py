"""The curves of a run as one picture."""

from __future__ import annotations

from pathlib import Path

from mobilevis.runtime.errors import missing_extra
from mobilevis.runtime.files import atomic_path
from mobilevis.training.logging import read_log

CURVES_FILE = "curves.png"


def plot_curves(folder: Path) -> Path:
    """Draw every column of a run's ``log.csv`` against the iteration.

    Args:
        folder: the run's folder; the log must have at least one row.

    Returns:
        The PNG's path, ``curves.png`` in the folder.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise missing_extra("matplotlib", "train") from error
    rows = read_log(folder)
    names = [name for name in rows[0] if name != "iteration"]
    columns = 3
    figure = Figure(figsize=(4 * columns, 2.6 * -(-len(names) // columns)), layout="constrained")
    for position, name in enumerate(names, start=1):
        axes = figure.add_subplot(-(-len(names) // columns), columns, position)
        axes.plot([row["iteration"] for row in rows], [row[name] for row in rows], linewidth=1)
        axes.set_title(name.replace("_", " "))
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.3)
    with atomic_path(folder / CURVES_FILE) as temporary:
        figure.savefig(temporary, dpi=110)
    return folder / CURVES_FILE
