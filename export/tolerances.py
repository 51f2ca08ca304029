"""The one table of how far an artefact may differ from eager PyTorch, by precision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Limits of the parity gate; kept instances must agree in identity and class at every precision.

    Attributes:
        max_abs: largest absolute difference of any value of any output.
        mask_iou: least intersection over union of an instance's masks, at the source's resolution.
    """

    max_abs: float
    mask_iou: float


TOLERANCES = {
    "fp32": Tolerance(max_abs=1e-4, mask_iou=0.999),
}
