"""The model card of the starter, from the records of ``mobilevis bench accuracy --metric coco --json`` in
docs/results/starter/coco_<engine>.json, and of ``python -m mobilevis.benchmarks.accuracy.identity``."""

from __future__ import annotations

from typing import Any

from .records import RESULTS, format_header, format_metrics, format_percent, format_row, read_record

STARTER = RESULTS / "starter"
COLUMNS = 4  # classes side by side


def starter_table() -> str:
    """AP of the exported artefacts, by engine."""
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl")
    lines = [format_header("engine", *names, "person AP")]
    for file in sorted(STARTER.glob("coco_*.json")):
        record = read_record(file)
        figures = format_metrics(record["metrics"], names)
        lines.append(
            format_row(record["artefact"]["engine"], *figures, format_percent(_class_ap(record, "person")))
        )
    return "".join(lines)


STEPS = (
    "343 pictures",
    "and more sets",
    "and a deeper mask branch",
    "and near views: ships",
)


def starter_steps() -> str:
    """AP after each step of the masks, in eager PyTorch."""
    lines = [format_header("trained on", "AP", "AP50", "AP75", "person AP")]
    for number, name in enumerate(STEPS, start=1):
        record = read_record(STARTER / f"step_{number}.json")
        figures = format_metrics(record["metrics"], ("AP", "AP50", "AP75"))
        lines.append(format_row(name, *figures, format_percent(_class_ap(record, "person"))))
    return "".join(lines)


def starter_changes() -> str:
    """AP of short trainings that differ in one thing each."""
    names = ("AP", "AP50", "AP75")
    runs = read_record(STARTER / "changes.json")["runs"]
    rows = [format_row(change, *format_metrics(metrics, names)) for change, metrics in runs.items()]
    return format_header("changed", *names) + "".join(rows)


def starter_tracks(*names: str) -> str:
    """How well one object is followed.

    Args:
        names: of records side by side, tracks_<name>.json; none for tracks.json.
    """
    files = {f", {name}": f"tracks_{name}.json" for name in names} or {"": "tracks.json"}
    found = {
        key + label: run
        for label, file in files.items()
        for key, run in read_record(STARTER / file).items()
        if key.startswith("T = ")
    }
    lines = [format_header("clip", *(f"J, {key}" for key in found), *(f"switches, {key}" for key in found))]
    for clip in next(iter(found.values()))["clips"]:
        rows = [run["clips"][clip] for run in found.values()]
        lines.append(
            format_row(
                clip, *(f"{row['region']:.3f}" for row in rows), *(str(row["switches"]) for row in rows)
            )
        )
    means = [run["mean"] for run in found.values()]
    figures = (*(f"{mean['region']:.3f}" for mean in means), *(f"{mean['switches']:.2f}" for mean in means))
    return "".join([*lines, format_row("mean", *figures)])


def starter_classes() -> str:
    """AP of each class that the validation set shows, best first, several side by side."""
    record = read_record(STARTER / "coco_onnxruntime.json")
    shown = [
        (item["metrics"]["AP"], item["name"])
        for item in record["per_class"]
        if item["metrics"]["AP"] is not None
    ]
    cells = [[name, format_percent(ap)] for ap, name in sorted(shown, key=lambda pair: (-pair[0], pair[1]))]
    height = -(-len(cells) // COLUMNS)
    cells += [["", ""]] * (height * COLUMNS - len(cells))
    rows = zip(*(cells[start : start + height] for start in range(0, len(cells), height)))
    lines = [format_header(*["class", "AP"] * COLUMNS)]
    return "".join(lines + [format_row(*(text for cell in row for text in cell)) for row in rows])


def starter_neighbours() -> str:
    """Whether touching objects of one class are told apart."""
    record = read_record(STARTER / "neighbours.json")
    person = next(item["metrics"] for item in record["per_class"] if item["name"] == "person")
    lines = [format_header("classes", "touching pairs told apart", "masks that join two objects")]
    for name, figures in (("all", record["metrics"]), ("person", person)):
        lines.append(format_row(name, *format_metrics(figures, ("pairs", "joined"))))
    return "".join(lines)


def starter_identity() -> str:
    """Reuse and identity over gaps of frames."""
    record = read_record(STARTER / "identity.json")
    head = (
        "frames between",
        "reused kernel, IoU",
        "by cosine alone",
        "by the association",
        "by it, every frame seen",
        "objects with a rival",
        "clear ones: by cosine alone",
        "by the association",
        "objects",
    )
    lines = [format_header(*head)]
    for gap, row in record["gaps"].items():
        every = (f"{row[name]:.3f}" for name in ("reused", "by_cosine", "by_association", "in_turn"))
        clear = (f"{row[name]:.3f}" for name in ("clear_by_cosine", "clear_by_association"))
        lines.append(format_row(gap, *every, str(row["rivals"]), *clear, str(row["clear_rivals"])))
    return "".join(lines)


def _class_ap(record: dict[str, Any], name: str) -> float:
    return next(item["metrics"]["AP"] for item in record["per_class"] if item["name"] == name)
