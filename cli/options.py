"""Command-line options that several sub-commands take, and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.benchmarks.latency.transports.registry import TRANSPORTS, describe_addresses
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from mobilevis.cli.choices import choice, complete
from mobilevis.runtime.association import ASSOCIATIONS, describe_associations
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES, describe_formats
from mobilevis.runtime.keyframes import FIXED, KEYFRAME_POLICIES, describe_policies

if TYPE_CHECKING:
    from mobilevis.runtime.metadata import Metadata

MAX_DIGITS = 5
DEFAULT_ASSOCIATION = "appearance"
SIZE = "HEIGHTxWIDTH"
DEFAULT_INPUT_SIZE = (320, 640)  # the papers'; of a model whose checkpoint does not say its own

ARTEFACT_HELP = f"Artefact: {describe_formats()}."
EngineOption = Annotated[
    Optional[str], choice(names=ENGINES, help="Inference engine; by default the artefact's format's.")
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads of the engine.")]
KeyframeOption = Annotated[
    Optional[int],
    typer.Option(
        "--keyframe-interval",
        "-T",
        min=1,
        metavar="T",
        help="Compute kernels on one of T frames; by default the artefact's own.",
    ),
]
PolicyOption = Annotated[
    Optional[str],
    choice(
        "--keyframe-policy",
        names=KEYFRAME_POLICIES,
        help=f"Which frames these are: {describe_policies()}; by default {FIXED}.",
    ),
]
AssociationOption = Annotated[
    Optional[str],
    choice(
        names=ASSOCIATIONS,
        help=f"What keeps identities: {describe_associations()}; by default {DEFAULT_ASSOCIATION}.",
    ),
]
DriverOption = Annotated[
    Optional[list[str]],
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="An option of the artefact's driver, such as mask_threshold=0.4; repeatable.",
    ),
]
ConfigOption = Annotated[
    Optional[list[str]],
    typer.Option(metavar="KEY=VALUE", help="Configuration of the model, such as num_queries=50; repeatable."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", autocompletion=complete(lambda: TRANSPORTS), help=f"{describe_addresses()}."
    ),
]
CpusOption = Annotated[
    str,
    typer.Option(
        metavar="CPUS", help="prime, big, gold, little, all, a mask such as 0x80, or a list such as 4-7."
    ),
]
ProtocolOption = Annotated[str, choice(names=PROTOCOLS, help="How long to warm up and to measure.")]
SourceOption = Annotated[
    Optional[Path],
    typer.Option(metavar="CLIP", help="Clip for whole frames: video file or folder of images."),
]
VerifyOption = Annotated[
    bool, typer.Option(help="Compare the artefact's SHA-256 with the one in its metadata.")
]
PythonOption = Annotated[Optional[str], typer.Option(metavar="PROGRAM", help="The Python on the device.")]
ScratchOption = Annotated[
    Optional[str], typer.Option(metavar="FOLDER", help="On the device, for temporary files.")
]
SshConfigOption = Annotated[
    Optional[Path], typer.Option("--ssh-config", metavar="FILE", help="Instead of your own ~/.ssh/config.")
]
ImagesOption = Annotated[Optional[Path], typer.Option(metavar="FOLDER", help="Folder of the images.")]
JsonOption = Annotated[
    Optional[Path], typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")
]
# What `cli/measured.py` opens: the one or the other.
ArtefactArgument = Annotated[Optional[Path], typer.Argument(metavar="ARTEFACT", help=ARTEFACT_HELP)]
CheckpointOption = Annotated[
    Optional[Path],
    typer.Option(metavar="FILE", help="Instead of an artefact: a trained model, in eager PyTorch."),
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Refuse annotations that are a box alone, or have null or broken fields."),
]
InputSizeOption = Annotated[
    Optional[str], typer.Option(metavar=SIZE, help="Of a checkpoint's input; by default its own.")
]


def default_association(metadata: Metadata) -> dict[str, Any]:
    """The option that ``run``, ``demo`` and ``bench accuracy`` begin with, where the driver has it.

    On the held-out procedural set its AP is 48.2, that of the paper's slots 27.1 (docs/training.md).
    """
    from mobilevis.runtime.drivers import DRIVERS

    driver = DRIVERS.get(metadata.driver)
    has_it = driver is not None and any(option.name == "association" for option in fields(driver[1]))
    return {"association": DEFAULT_ASSOCIATION} if has_it else {}


def choose_size(text: Optional[str], own: Optional[tuple[int, int]]) -> tuple[int, int]:
    """(height, width) of a network's input: as typed, else the checkpoint's own, else the papers'.

    Raises:
        UserError: the text is no size.
    """
    return own or DEFAULT_INPUT_SIZE if text is None else parse_size(text, "--input-size")


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
