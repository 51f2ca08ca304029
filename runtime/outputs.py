"""Outputs are checked before any work: against the inputs, and against each other."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Optional

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import disk_errors, file_exists
from mobilevis.runtime.special_files import STANDARD_OUTPUT, is_stream

# Files that an input folder consists of: an image of a video, an entry of an ONNX export.
PARTS = frozenset({".bmp", ".jpeg", ".jpg", ".onnx", ".png", ".tif", ".tiff", ".webp"})


def check_outputs(
    outputs: Mapping[str, Optional[Path]], inputs: Mapping[str, Path], folders: Collection[str] = ()
) -> None:
    """Refuse outputs that would destroy an input or each other.

    Args:
        outputs: option → path; None where it is not given.
        inputs: what it is → path; one that does not exist, such as a URL, is passed over.
        folders: the options that write a folder.

    Raises:
        UserError: an output is an input, lies around one or is a part of one; two are the same, or one lies
            in the other; or a file's output is a folder.
    """
    given = {option: path for option, path in outputs.items() if path is not None}
    taken: dict[str, str] = {}
    for option, path in given.items():
        with disk_errors(path):
            place = STANDARD_OUTPUT if str(path) == STANDARD_OUTPUT else os.path.realpath(path)
            if path.is_dir() and option not in folders:
                raise UserError(f"{option} is a folder", path, "give the name of a file")
            if is_stream(path) and option in folders:
                raise UserError(f"{option} is no folder", path, "choose another output")
            for name, source in inputs.items():
                if file_exists(source):
                    _refuse_input(option, path, place, name, source, option in folders)
        for other, other_place in taken.items():
            if place == other_place or _are_same_file(Path(place), Path(other_place)):
                raise UserError(f"{other} and {option} are the same", path, "give two names")
            for outer, inner, outer_option in ((place, other_place, option), (other_place, place, other)):
                if outer_option in folders and _contains(outer, inner):
                    raise UserError(f"{other} and {option} lie in each other", path, "give another place")
        taken[option] = place


def _refuse_input(option: str, path: Path, place: str, name: str, source: Path, folder: bool) -> None:
    origin = os.path.realpath(source)
    if origin == place or (file_exists(path) and path.samefile(source)):
        raise UserError(f"{option} would replace {name}", path, "choose another output")
    if folder and _contains(place, origin):
        raise UserError(f"{option} would replace the folder of {name}", path, "choose another output")
    if source.is_dir() and _contains(origin, place) and path.suffix.lower() in PARTS:
        raise UserError(f"{option} would become a part of {name}", path, "choose another output")


def _are_same_file(first: Path, second: Path) -> bool:
    return first.is_file() and second.is_file() and first.samefile(second)


def _contains(outer: str, inner: str) -> bool:
    return inner.startswith(outer.rstrip("/") + "/")
