"""Parameters and multiply-adds, as ``mobilevis profile`` counts them (docs/results/sizes.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .records import RESULTS, format_header, format_row, group_entries, read_record

RECORD = RESULTS / "sizes.json"
# Model → the input size (height, width) that its paper counts at, and what differs from its configuration.
COUNTED: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "mobileinst-topformer-tiny": ((320, 640), {}),
    "mobileinst-topformer-tiny-propagate": ((320, 640), {}),
    "mobileinst-lite-topformer-tiny": ((320, 640), {}),
    "mobileinst-lite-topformer-base": ((320, 640), {}),
    "mobileinst-topformer-base": ((320, 640), {}),
    "mobileinst-seaformer-base": ((320, 640), {}),
    **{f"mobileinst-efficientnet-lite{size}": ((320, 640), {}) for size in (0, 1, 2)},
    "minvis-r50": ((384, 640), {}),
    "minvis-swin-tiny": ((384, 640), {}),
    "minvis-swin-large": ((384, 640), {}),
    "dvis-plus-r50": ((384, 640), {}),
    "minvis-tar-r50": ((384, 640), {}),
    "dvis-plus-tar-r50": ((384, 640), {}),
    "efficientvis-r50": ((384, 640), {"clip_length": 9}),
    "maxtron-vps-r50": ((320, 640), {}),
    "maxtron-vis-r50": ((320, 640), {}),
    "seqformer-r50": ((320, 640), {}),
    "taformer-r50": ((320, 640), {}),
}


def count_size(name: str) -> dict[str, Any]:
    """One model's record: its parameters by part, its multiply-adds by part and by entry."""
    import torch

    from mobilevis import create_model
    from mobilevis.benchmarks.cost.profiling import profile_model

    input_size, config = COUNTED[name]
    with torch.device("meta"):
        model = create_model(name, **config)
    parts: dict[str, list[int]] = {}
    entries: dict[str, int] = {}
    for block in profile_model(model, input_size, depth=1).blocks:
        part = parts.setdefault(block.block, [0, 0])
        part[0] += block.parameters
        part[1] += block.cost.macs
        if block.entry:
            entries[block.entry] = entries.get(block.entry, 0) + block.cost.macs
    return {"input_size": list(input_size), "config": config, "parts": parts, "entries": entries}


def count_sizes() -> None:
    """Count every model anew and write the record."""
    record = {name: count_size(name) for name in COUNTED}
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def size_table(*names: str) -> str:
    """Parameters and multiply-adds of models, part by part, then the multiply-adds of each entry."""
    record = read_record(RECORD)
    chosen = [record[name] for name in names]
    header = ["part"]
    for name, counted in zip(names, chosen):
        size = "×".join(map(str, counted["input_size"]))
        with_config = "".join(f", {key} = {value}" for key, value in counted["config"].items())
        header += [f"`{name}`, parameters", f"multiply-adds at {size}{with_config}"]
    lines = [format_header(*header)]
    parts = _ordered(counted["parts"] for counted in chosen)
    for part in sorted(parts, key=lambda part: not part):  # what is in no part comes last
        figures = [counted["parts"].get(part, (0, 0)) for counted in chosen]
        lines.append(_row(f"`{part}`" if part else "products of the entries", figures))
    totals = [[sum(column) for column in zip(*counted["parts"].values())] for counted in chosen]
    lines.append(_row("all", totals))
    for kind, entries in group_entries(_ordered(counted["entries"] for counted in chosen)).items():
        calls = f"entries `{kind}_…`, {len(entries)} calls" if len(entries) > 1 else f"entry `{kind}`"
        macs = [sum(counted["entries"].get(entry, 0) for entry in entries) for counted in chosen]
        lines.append(_row(calls, [(0, count) for count in macs]))
    return "".join(lines)


def _ordered(tables: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """The keys of all tables, each once, in order."""
    return list(dict.fromkeys(key for table in tables for key in table))


def _row(name: str, figures: Sequence[Sequence[int]]) -> str:
    cells = []
    for parameters, macs in figures:
        cells += [f"{parameters / 1e6:.2f} M" if parameters else "–", f"{macs / 1e9:.2f} G" if macs else "–"]
    return format_row(name, *cells)
