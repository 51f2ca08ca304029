"""What converts a traced model to each of the runtime's formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Optional, Protocol, runtime_checkable

from mobilevis.export.delegation import EntryDelegation
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.engines.telemetry import switch_off_telemetry
from mobilevis.runtime.errors import missing_extra


class Converted(Protocol):
    """A model in one format, in memory."""

    def write(self, path: Path, metadata: str) -> None:
        """Write the artefact with its metadata; called again with the parity record."""


@runtime_checkable
class Simplifiable(Protocol):
    """A converted model with graphs that a tool can simplify."""

    def simplify(self) -> Converted:
        """The model with simpler graphs."""


@dataclass(frozen=True)
class Converter:
    """Where a format's converter lives and what it needs.

    Attributes:
        module: has ``convert(traced entries) -> Converted``.
        packages: by pip's names, whose versions an artefact records.
    """

    module: str
    packages: tuple[str, ...] = ()


CONVERTERS = {
    "onnx": Converter("mobilevis.export.onnx", ("onnx", "onnxscript")),
    "pte": Converter("mobilevis.export.pte"),
    "tflite": Converter("mobilevis.export.tflite", ("litert-torch",)),
}


def convert(form: str, traced: Mapping[str, TracedEntry], simplify: bool = False) -> Converted:
    """Convert traced entries to a format.

    Args:
        form: a name in ``CONVERTERS``.
        traced: name → entry.
        simplify: the graphs too, where the format has a tool for it.

    Raises:
        UserError: a package is missing, or the tool fails.
    """
    switch_off_telemetry()  # exporters import ONNX Runtime, too
    try:
        module: Any = import_module(CONVERTERS[form].module)
    except ImportError as error:
        raise missing_extra(str(error.name), "export") from error
    converted: Converted = module.convert(traced)
    return converted.simplify() if simplify and isinstance(converted, Simplifiable) else converted


def delegation_of(converted: Converted) -> Optional[Mapping[str, EntryDelegation]]:
    """What the format's compiler says of its delegates; None where it says nothing."""
    return getattr(converted, "delegation", None)
