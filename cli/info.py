"""``mobilevis info``: what a file of ours is and says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

MAX_SHOWN = 12  # classes and list items; the rest is counted


def info(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="An artefact, a checkpoint, or the JSON record of a command."),
    ],
) -> None:
    """Say what a file is: an artefact, a checkpoint or a record, and what it holds."""
    from rich.console import Console

    if file.suffix == ".safetensors":
        facts = _checkpoint_facts(file)
    elif file.suffix == ".json":
        facts = _record_facts(file)
    else:
        facts = _artefact_facts(file)
    Console().print(_table(facts))


def _artefact_facts(path: Path) -> dict[str, Any]:
    from mobilevis.runtime.artefact import artefact_format, load_artefact
    from mobilevis.runtime.files import sha256_of

    artefact = load_artefact(path)
    metadata = artefact.metadata
    parity = {key: value for key, value in metadata.parity.items() if isinstance(value, (int, float))}
    return {
        "artefact": artefact.path.name,
        "format": f"{artefact_format(path)}, read by {artefact.engine}",
        "sha256": sha256_of(artefact.path),
        "model": metadata.model,
        "weights": "random" if metadata.has_random_weights else f"of {metadata.checkpoint_sha256}",
        "input": _size(metadata.input_size),
        "precision": metadata.precision,
        "classes": [item.name for item in metadata.classes],
        **{
            f"entry {name}": f"{_shapes(entry.inputs)} → {_shapes(entry.outputs)}"
            for name, entry in metadata.entries.items()
        },
        "options": metadata.options,
        "parity": parity,
        "tools": metadata.tools,
    }


def _checkpoint_facts(path: Path) -> dict[str, Any]:
    from mobilevis.models.weights.checkpoint import load_checkpoint

    loaded = load_checkpoint(path)
    size = loaded.input_size
    return {
        "checkpoint": path.name,
        "sha256": loaded.sha256,
        "model": loaded.name,
        "parameters": f"{sum(parameter.numel() for parameter in loaded.model.parameters()):,}",
        "input": "not recorded" if size is None else _size(size),
        "classes": [item.name for item in loaded.classes],
        **{key: value for key, value in loaded.record.items() if key != "config"},
    }


def _record_facts(path: Path) -> dict[str, Any]:
    from mobilevis.data.records import read_json
    from mobilevis.runtime.errors import UserError

    record = read_json(path)
    if not isinstance(record, dict):
        raise UserError("not a record of mobilevis", path, "give the JSON that a command wrote with --json")
    plain = (str, int, float, bool)
    return {
        "record": path.name,
        **{
            str(key): value
            for key, value in record.items()
            if isinstance(value, plain) or (isinstance(value, dict) and _is_flat(value))
        },
        **{
            str(key): f"{len(value)} of them"
            for key, value in record.items()
            if isinstance(value, list) and len(value) > 1
        },
    }


def _is_flat(value: Mapping[str, Any]) -> bool:
    return all(not isinstance(item, (dict, list)) for item in value.values())


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _shapes(tensors: Any) -> str:
    return ", ".join(f"{tensor.name} {'x'.join(map(str, tensor.shape))}" for tensor in tensors)


def _table(facts: Mapping[str, Any]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # long values take lines of their own, they are never cut
    for name, value in facts.items():
        if value not in ({}, [], None):
            table.add_row(f"[bold]{escape(name)}[/]", escape(_words(value)))
    return table


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        rest = len(value) - MAX_SHOWN
        return ", ".join(map(_words, value[:MAX_SHOWN])) + (f" and {rest} more" if rest > 0 else "")
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
