"""Command-line options that several sub-commands take, and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from mobilevis.runtime.errors import UserError

MAX_DIGITS = 5

EngineOption = Annotated[Optional[str], typer.Option(help="onnxruntime, executorch or litert.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads of the engine.")]
DriverOption = Annotated[
    Optional[list[str]],
    typer.Option("--option", help="KEY=VALUE of the artefact's driver, as mask_threshold=0.4; repeatable."),
]
ImagesOption = Annotated[Optional[Path], typer.Option(help="Folder of the images.")]
# What `cli/measured.py` opens: the one or the other.
ArtefactArgument = Annotated[
    Optional[Path], typer.Argument(help="A .pte or .tflite file, or a folder of .onnx files.")
]
CheckpointOption = Annotated[
    Optional[Path], typer.Option(help="Instead of an artefact: a trained model, in eager PyTorch.")
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Refuse annotations that are a box alone, or have null or broken fields."),
]
InputSizeOption = Annotated[str, typer.Option(help="HEIGHTxWIDTH of a checkpoint's input.")]


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """(height, width) from such as ``320x640``.

    Raises:
        UserError: the text is no size; the option is named.
    """
    match = re.fullmatch(rf"([1-9]\d{{0,{MAX_DIGITS - 1}}})[x×]([1-9]\d{{0,{MAX_DIGITS - 1}}})", text)
    if match is None:
        raise UserError(f"{option} {text!r:.40} is no size", fix="give HEIGHTxWIDTH, such as 320x640")
    return int(match[1]), int(match[2])


def parse_config(
    pairs: Sequence[str], option: str = "--config", example: str = "num_queries=50"
) -> dict[str, Any]:
    """Configuration from such as ``num_queries=50``.

    Values are read as in JSON (numbers, ``true``, ``false``, ``null``); anything else is text.

    Raises:
        UserError: a pair is not KEY=VALUE; the option is named.
    """
    config = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.isidentifier():
            raise UserError(f"{option} {pair!r:.40} is not KEY=VALUE", fix=f"give such as {example}")
        config[key] = _scalar(value)
    return config


def driver_options(named: Mapping[str, Any], pairs: Optional[Sequence[str]]) -> dict[str, Any]:
    """A driver's options: those with a command-line option of their own, and ``--option KEY=VALUE``.

    Args:
        named: None stands for no choice.
        pairs: as typed.

    Raises:
        UserError: a pair is not KEY=VALUE, or chooses what ``named`` chose.
    """
    given = {name: value for name, value in named.items() if value is not None}
    others = parse_config(pairs or (), "--option", "mask_threshold=0.4")
    twice = sorted(set(given) & set(others))
    if twice:
        raise UserError(f"{', '.join(twice)} is given twice", fix="leave out one of them")
    return {**given, **others}


def _scalar(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    except RecursionError as error:
        fix = "give a number, true, false or a text"
        raise UserError(f"cannot read the value '{text[:40]}…': it is nested too deeply", fix=fix) from error
    return text if isinstance(value, (list, dict)) else value
