"""Fields of JSON records in hostile files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from mobilevis.runtime.errors import UserError

T = TypeVar("T", int, str, list)

MAX_JSON_BYTES = 1 << 31  # VIPSeg's own annotations have 0.1 GB


def malformed(what: str, path: Path) -> UserError:
    """The error for a record that is not as its format says."""
    return UserError(what, path, "write the file again")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UserError: the file is missing, too large, no JSON or no object.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise malformed(f"the file has more than {MAX_JSON_BYTES >> 30} GiB", path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError("the file cannot be read", path, "check the path") from error
    except (ValueError, RecursionError) as error:
        raise malformed(f"the file is no JSON: {error}", path) from error
    if not isinstance(document, dict):
        raise malformed("the file holds no JSON object", path)
    return document


def field(record: Any, name: str, kind: type[T], where: str, path: Path) -> T:
    """A record's field of the given type.

    Raises:
        UserError: the record is no object, or the field is missing or of another type.
    """
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise malformed(f"{where}: {name} is not {kind.__name__}", path)
    return value


def plain_name(record: Any, name: str, where: str, path: Path) -> str:
    """A field that names one file or folder, and cannot lead elsewhere.

    Raises:
        UserError: it holds a separator, or is no name.
    """
    value = field(record, name, str, where, path)
    if value in ("", ".", "..") or "/" in value or "\\" in value or "\0" in value:
        raise malformed(f"{where}: {name} {value!r} is no plain name", path)
    return value
