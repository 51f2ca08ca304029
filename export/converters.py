"""What converts a traced model to each of the runtime's formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Optional, Protocol

from mobilevis.export.delegation import EntryDelegation
from mobilevis.export.precision import Conversion, EntryPrecision
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.engines.telemetry import switch_off_telemetry
from mobilevis.runtime.errors import UserError, missing_extra, unknown_name


class Converted(Protocol):
    """A model in one format, in memory."""

    def write(self, path: Path, metadata: str) -> None:
        """Write the artefact with its metadata; called again with the parity record."""


@dataclass(frozen=True)
class Converter:
    """Where a format's converter lives and what it needs.

    Attributes:
        module: has ``convert(traced entries, Conversion) -> Converted``.
        packages: by pip's names, whose versions an artefact records.
        lacks: names in ``PRECISIONS`` that it does not convert to → why.
    """

    module: str
    packages: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)


CONVERTERS = {
    "onnx": Converter("mobilevis.export.onnx", ("onnx", "onnxscript")),
    # executorch 1.4.1, backends/xnnpack/operators/op_conv2d.py: filters are defined with force_fp32, and
    # those of 8 bits take activations of 8 bits.
    "pte": Converter(
        "mobilevis.export.pte",
        lacks={
            "fp16": "ExecuTorch stores the weights of convolutions as float32",
            "int8": "ExecuTorch's convolutions with weights of 8 bits compute in 8 bits, too",
        },
    ),
    "tflite": Converter("mobilevis.export.tflite", ("litert-torch", "ai-edge-quantizer")),
}


def formats_of(precision: str) -> list[str]:
    """The formats that an export at a precision is made in."""
    return [form for form, converter in CONVERTERS.items() if precision not in converter.lacks]


def check_formats(formats: Iterable[str], precision: str) -> list[str]:
    """The formats asked for, each once.

    Raises:
        UserError: one is unknown or does not have the precision, or there is none.
    """
    asked = list(dict.fromkeys(formats))
    for form in asked:
        if form not in CONVERTERS:
            raise unknown_name("format", form, CONVERTERS)
        why = CONVERTERS[form].lacks.get(precision)
        if why is not None:
            able = ", ".join(formats_of(precision))
            raise UserError(f"the {form} format has no {precision}, {why}", fix=f"choose from {able}")
    if not asked:
        raise UserError("no format is given", fix=f"choose from {', '.join(CONVERTERS)}")
    return asked


def convert(form: str, traced: Mapping[str, TracedEntry], how: Conversion) -> Converted:
    """Convert traced entries to a format.

    Args:
        form: a name in ``CONVERTERS``.
        traced: name → entry.
        how: the precision, and whether to simplify.

    Raises:
        UserError: a package is missing, or a tool fails.
    """
    switch_off_telemetry()  # exporters import ONNX Runtime, too
    try:
        module: Any = import_module(CONVERTERS[form].module)
    except ImportError as error:
        raise missing_extra(str(error.name), "export") from error
    converted: Converted = module.convert(traced, replace(how, form=form))
    return converted


def delegation_of(converted: Converted) -> Optional[Mapping[str, EntryDelegation]]:
    """What the format's compiler says of its delegates; None where it says nothing."""
    return getattr(converted, "delegation", None)


def layers_of(converted: Converted) -> Mapping[str, EntryPrecision]:
    """Entry → what became of its layers; empty at fp32, and where the format's converter says nothing."""
    return getattr(converted, "layers", {})
