"""Every key of a training configuration as Markdown, from the dataclasses that read them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from mobilevis.training.config import TrainConfig
from mobilevis.training.objectives.registry import OBJECTIVES

_TYPES = {"str": "text", "bool": "true or false", "int": "integer", "float": "number", "Any": "any"}


def configuration_tables() -> str:
    """One table for each table of the TOML file; ``[objective]`` has one for each family."""
    hints = get_type_hints(TrainConfig)
    parts = [_section(f"[{name}]", kind) for name, kind in hints.items() if is_dataclass(kind)]
    families: dict[type, list[str]] = {}
    for model, recipe in OBJECTIVES.items():
        families.setdefault(recipe.weights, []).append(model.__name__)
    parts += [_section(f"[objective] of {', '.join(names)}", kind) for kind, names in families.items()]
    return "\n".join(parts)


def _section(title: str, kind: Any) -> str:
    summary = inspect.getdoc(kind) or ""
    rows = [f"| {' | '.join(row)} |\n" for row in _rows(kind)]
    head = f"## {title}\n\n{summary.splitlines()[0]}\n\n"
    return head + "| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _rows(kind: Any, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    hints, meanings = get_type_hints(kind), describe_attributes(kind)
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            yield from _rows(hints[field.name], f"{prefix}{field.name}.")
        else:
            key, type_name = f"`{prefix}{field.name}`", _type_name(hints[field.name])
            yield key, type_name, _default(field), meanings[field.name]


def describe_attributes(kind: type) -> Mapping[str, str]:
    """Field → its meaning, from the ``Attributes`` of a dataclass's docstring and its bases'."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, section = (inspect.getdoc(base) or "").partition("Attributes:\n")
        section = section.partition("\n\n")[0]
        for entry in re.split(r"\n(?= {4}\w)", section):
            name, separator, meaning = entry.strip().partition(": ")
            if separator:
                found[name] = re.sub(r"\s+", " ", meaning).replace("``", "`").replace("|", "\\|")
    return found


def _type_name(kind: Any) -> str:
    arguments = get_args(kind)
    if is_dataclass(kind):
        return f"table of {', '.join(field.name for field in fields(kind))}"
    if get_origin(kind) is dict:
        return f"table of {_type_name(arguments[1])}s" if arguments[1] is not Any else "table"
    if get_origin(kind) is tuple:
        one = _type_name(arguments[0])
        return f"list of {one}s" if arguments[-1] is Ellipsis else f"{len(arguments)} {one}s"
    return _TYPES[kind.__name__]


def _default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        value = field.default_factory()
    elif field.default is not MISSING:
        value = field.default
    else:
        return "required"
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items())
        return f"`{{ {inside} }}`" if inside else "`{}`"
    return f"`{json.dumps(value)}`"
