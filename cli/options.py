"""Command-line options that several sub-commands take, and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from mobilevis.runtime.errors import UserError

MAX_DIGITS = 5

EngineOption = Annotated[Optional[str], typer.Option(help="onnxruntime, executorch or litert.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads of the engine.")]
ImagesOption = Annotated[Optional[Path], typer.Option(help="Folder of the images.")]
# What `cli/measured.py` opens: the one or the other.
ArtefactArgument = Annotated[
    Optional[Path], typer.Argument(help="A .pte or .tflite file, or a folder of .onnx files.")
]
CheckpointOption = Annotated[
    Optional[Path], typer.Option(help="Instead of an artefact: a trained model, in eager PyTorch.")
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


def parse_config(pairs: Sequence[str]) -> dict[str, Any]:
    """Configuration from such as ``num_queries=50``.

    Values are read as in JSON (numbers, ``true``, ``false``, ``null``); anything else is text.

    Raises:
        UserError: a pair is not KEY=VALUE.
    """
    config = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.isidentifier():
            raise UserError(f"--config {pair!r:.40} is not KEY=VALUE", fix="give such as num_queries=50")
        config[key] = _scalar(value)
    return config


def _scalar(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, (list, dict)) else value
