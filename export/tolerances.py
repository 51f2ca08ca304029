"""The one table of how far an artefact may differ from eager PyTorch, by precision."""

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
}
