"""TOML tables into dataclasses: unknown keys and wrong types are refused by name."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mobilevis.runtime.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UserError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the configuration: {error}", path, "give a valid TOML file") from error


def apply_override(table: dict[str, Any], override: str) -> None:
    """Set one value in place: ``table.key=value``, the value in TOML syntax, or else taken as a string.

    Raises:
        UserError: not of that form, or the path leads through a value that is not a table.
    """
    key, separator, text = override.partition("=")
    *parents, last = key.strip().split(".")
    if not separator or not last:
        raise UserError(f"cannot read the option '{override}'", fix="write --set table.key=value")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UserError(
                f"'{parent}' in '{key}' is a value, not a table", fix="write --set table.key=value"
            )
    try:
        table[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = text.strip()


def from_table(cls: type[T], table: Any, where: str = "") -> T:
    """Build a dataclass from a table, nested dataclasses from nested tables.

    Args:
        cls: a dataclass whose fields are numbers, strings, booleans, tuples, dicts and dataclasses.
        table: the parsed TOML table.
        where: dotted name of the table, for messages.

    Raises:
        ValueError: unknown or missing keys, values of another type, or what ``cls`` itself refuses.
    """
    prefix = f"{where}." if where else ""
    if not isinstance(table, dict):
        raise ValueError(f"'{where}' must be a table")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"unknown key '{prefix}{unknown[0]}'; known: {', '.join(known)}")
    required = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if name not in table]:
        raise ValueError(f"'{prefix}{missing[0]}' is missing")
    hints = get_type_hints(cls)
    return cls(**{name: _convert(value, hints[name], prefix + name) for name, value in table.items()})


def _convert(value: Any, kind: Any, where: str) -> Any:
    if is_dataclass(kind):
        return from_table(kind, value, where)  # type: ignore[arg-type]
    origin = get_origin(kind) or kind
    if origin is tuple:
        return _convert_tuple(value, get_args(kind), where)
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, origin) or (isinstance(value, bool) and origin is not bool):
        raise ValueError(f"'{where}' must be of type {origin.__name__}, not {type(value).__name__}")
    return value


def _convert_tuple(value: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"'{where}' must be a list")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise ValueError(f"'{where}' must have {len(kinds)} values, not {len(value)}")
    return tuple(_convert(item, kind, where) for item, kind in zip(value, kinds))
