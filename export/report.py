"""The record of an export: the one source of every number that is printed about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from mobilevis.export.delegation import EntryDelegation
from mobilevis.export.parity import ParityReport
from mobilevis.export.precision import EntryPrecision


@dataclass(frozen=True)
class FormatReport:
    """One artefact.

    Attributes:
        format: a name in ``CONVERTERS``.
        path: the artefact's name in the output folder.
        bytes: its size; of all files for a folder.
        sha256: as ``mobilevis.runtime.files.sha256_of`` defines it.
        convert_seconds: wall-clock time of the conversion.
        gate_seconds: wall-clock time of the parity gate.
        parity: what the gate measured.
        delegation: entry → what XNNPACK computes of it; None for a format whose compiler does not say.
        layers: entry → which of its layers have the precision, and which stay in float32; empty at fp32.
        time_ratio: time of all entries over that of the ONNX artefact, one thread on one core; None when it
            was not measured.
    """

    format: str
    path: str
    bytes: int
    sha256: str
    convert_seconds: float
    gate_seconds: float
    parity: ParityReport
    delegation: Optional[Mapping[str, EntryDelegation]] = None
    layers: Mapping[str, EntryPrecision] = field(default_factory=dict)
    time_ratio: Optional[float] = None


@dataclass(frozen=True)
class ExportReport:
    """What ``export_model`` did.

    Attributes:
        model: registry name.
        input_size: (height, width) in pixels.
        family: the driver of the model.
        precision: a name in ``PRECISIONS``.
        checkpoint_sha256: None when the weights are random.
        artefacts: one for each format.
        eager_time_ratio: as the formats' time_ratio, of the model in eager PyTorch.
        seconds: wall-clock time of the whole export.
        tools: versions of the packages that made the artefacts.
    """

    model: str
    input_size: tuple[int, int]
    family: str
    precision: str
    checkpoint_sha256: Optional[str]
    artefacts: tuple[FormatReport, ...]
    eager_time_ratio: Optional[float]
    seconds: float
    tools: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, as the JSON file holds it."""
        return asdict(self)

    def to_json(self) -> str:
        """The report as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
