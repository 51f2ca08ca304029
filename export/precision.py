"""The one table of precisions: what each stores, what it keeps in float32, and why.

A layer is an operator with weights: a convolution or a linear one. Inputs and outputs of entries are float32
at every precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mobilevis.runtime.errors import unknown_name


@dataclass(frozen=True)
class Precision:
    """One row of the table.

    Attributes:
        description: what is stored and computed, in a few words.
        kept: what stays in float32 → why.
    """

    description: str
    kept: Mapping[str, str] = field(default_factory=dict)


FULL_PRECISION = "fp32"
PRECISIONS = {
    FULL_PRECISION: Precision("float32 throughout"),
    "fp16": Precision(
        "weights of layers stored as float16, computed in float32",
        kept={
            "biases": "less than 2 % of the bytes, and added to sums in float32",
            "constants": "coordinates are squared and multiplied by up to 1e5 in dense kernels: 11 bits of "
            "them would move a mask's edge",
            "arithmetic": "the same factors exceed float16's 65504",
        },
    ),
}


@dataclass(frozen=True)
class Conversion:
    """How traced entries become an artefact.

    Attributes:
        precision: a name in ``PRECISIONS``.
        simplify: the graphs too, where the format has a tool for it.
    """

    precision: str = FULL_PRECISION
    simplify: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)

    @property
    def is_reduced(self) -> bool:
        """Whether numbers are rounded further than float32 does."""
        return self.precision != FULL_PRECISION


FP32 = Conversion()
