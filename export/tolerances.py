"""The one table of how far an artefact may differ from eager PyTorch, by precision and depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Tolerance:
    """Limits at fp32; kept instances must agree in identity and class.

    Attributes:
        max_abs: largest absolute difference of any value of an output, times the output's root mean square
            where that exceeds 1: features have no fixed scale (a MobileInst-TopFormer-tiny's mask features
            have 9.5 after 500 iterations), and float32 engines agree to about 1e-6 of it. The same of a whole
            output: the largest relative L2, at most 7e-5 in all records of this repository.
        mask_iou: least intersection over union of an instance's masks, at the source's resolution.
    """

    max_abs: float
    mask_iou: float


@dataclass(frozen=True)
class TaskTolerance:
    """Limits of a reduced precision: outputs differ by design, what the user sees of it is limited.

    Attributes:
        agreement: least share of kept instances that fp32 keeps too, and the reverse (``TaskParity``).
        mask_iou: least mean intersection over union of their masks, at the source's resolution.
        box_iou: likewise of their boxes.
        max_abs: as ``Tolerance.max_abs``, of the artefact on a device against itself where it was exported.
    """

    agreement: float
    mask_iou: float
    box_iou: float
    max_abs: float


AnyTolerance = Union[Tolerance, TaskTolerance]

TOLERANCES: dict[str, AnyTolerance] = {
    "fp32": Tolerance(max_abs=1e-4, mask_iou=0.999),
    # Nine decoder layers, each of which reads the masks of the one before it, multiply rounding.
    "fp32-deep": Tolerance(max_abs=1e-3, mask_iou=0.99),
    # The towers that a detector's entries hand on have few large values: ONNX Runtime's differ by 1.2e-3 with
    # the weights that ship at 416×416, and by 1.3e-3 of a scale of 1.2 with a class head of one's own.
    "fp32-detector": Tolerance(max_abs=4e-3, mask_iou=0.99),
    # Weights rounded to 11 bits: the same instances but for one in fifty at the threshold. The arithmetic is
    # that of fp32: engines differ as in the widest of its rows.
    "fp16": TaskTolerance(agreement=0.98, mask_iou=0.99, box_iou=0.99, max_abs=4e-3),
    # Weights rounded to 8 bits: one instance in ten at the threshold; computed in float32, too.
    "int8": TaskTolerance(agreement=0.9, mask_iou=0.95, box_iou=0.95, max_abs=4e-3),
    # Computed in 8 bits: where one engine's sum rounds up and another's down, all later layers differ. ONNX
    # Runtime's integer kernels and the same graph in float32 are 0.25 of the mask features' scale apart.
    "int8-static": TaskTolerance(agreement=0.9, mask_iou=0.95, box_iou=0.95, max_abs=0.5),
}


def find_tolerance(precision: str, rounding: str) -> AnyTolerance:
    """The row of ``TOLERANCES`` for a model's ``rounding``, which matters only where values are compared."""
    key = f"{precision}-{rounding}" if rounding else precision
    return TOLERANCES.get(key, TOLERANCES[precision])
