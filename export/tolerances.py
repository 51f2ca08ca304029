"""The one table of how far an artefact may differ from eager PyTorch, by precision and depth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Limits of the parity gate; kept instances must agree in identity and class at every precision.

    Attributes:
        max_abs: largest absolute difference of any value of an output, times the output's root mean square
            where that exceeds 1: features have no fixed scale (a MobileInst-TopFormer-tiny's mask features
            have 9.5 after 500 iterations), and float32 engines agree to about 1e-6 of it.
        mask_iou: least intersection over union of an instance's masks, at the source's resolution.
    """

    max_abs: float
    mask_iou: float


TOLERANCES = {
    "fp32": Tolerance(max_abs=1e-4, mask_iou=0.999),
    # Nine decoder layers, each of which reads the masks of the one before it, multiply rounding.
    "fp32-deep": Tolerance(max_abs=1e-3, mask_iou=0.99),
    # The towers that a detector's entries hand on have few large values: ONNX Runtime's differ by 1.2e-3 with
    # the weights that ship at 416×416, and by 1.3e-3 of a scale of 1.2 with a class head of one's own.
    "fp32-detector": Tolerance(max_abs=4e-3, mask_iou=0.99),
}


def tolerance_key(precision: str, rounding: str) -> str:
    """The row of ``TOLERANCES`` for a model's ``rounding``."""
    return f"{precision}-{rounding}" if rounding else precision
