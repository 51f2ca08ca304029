"""Whether what JSON holds is of the types that a dataclass names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints


def check_kinds(kind: type, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse values that are not of their fields' types.

    Args:
        kind: a dataclass; fields of other dataclasses' are not looked at.
        raw: name of a field → decoded JSON.

    Returns:
        The same.

    Raises:
        TypeError: a value is of another type.
    """
    hints = get_type_hints(kind)
    for name, value in raw.items():
        if name in hints and not _fits(value, hints[name]):
            raise TypeError(f"{name} is {value!r:.40}")
    return raw


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Union:
        return any(_fits(value, kind) for kind in args)
    if origin is Sequence:
        return isinstance(value, list) and all(_fits(item, args[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(item, args[1]) for item in value.values())
    if hint in (bool, int, float, str, type(None)):
        kinds = (int, float) if hint is float else hint
        if not isinstance(value, kinds) or isinstance(value, bool) != (hint is bool):
            return False
        return not isinstance(value, (int, float)) or abs(value) <= sys.float_info.max
    return True
