"""The one table of precisions: what each stores, what it keeps in float32, and why.

A layer is an operator with weights: a convolution or a linear one. Inputs and outputs of entries are float32
at every precision.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.errors import UserError, unknown_name


@dataclass(frozen=True)
class Kept:
    """Something that stays in float32.

    Attributes:
        what: in words.
        why: with the measurement.
        family: the driver of the models that it is said of; "" for all.
        layers: of these models, as patterns of module paths; empty where it is no layer. One that computes
            in fewer bits is never among them.
        form: the format of the artefacts that it is said of; "" for all.
    """

    what: str
    why: str
    family: str = ""
    layers: tuple[str, ...] = ()
    form: str = ""


@dataclass(frozen=True)
class Precision:
    """One row of the table.

    Attributes:
        description: what is stored and computed, in a few words.
        is_calibrated: whether weights are rounded for what layers read on real frames.
        kept: what stays in float32.
        computed: driver of the models that have it → patterns of module paths of their layers that compute in
            fewer bits, too; empty where nothing does, and every model has it.
    """

    description: str
    is_calibrated: bool = False
    kept: Sequence[Kept] = ()
    computed: Mapping[str, Sequence[str]] = field(default_factory=dict)


BIASES = Kept("biases", "less than 2 % of the bytes, and added to sums in float32")
CONSTANTS = Kept(
    "constants",
    "coordinates are squared and multiplied by up to 1e5 in dense kernels: 11 bits of them would move a "
    "mask's edge",
)
FULL_PRECISION = "fp32"
PRECISIONS = {
    FULL_PRECISION: Precision("float32 throughout"),
    "fp16": Precision(
        "weights of layers stored as float16, computed in float32",
        kept=(BIASES, CONSTANTS, Kept("arithmetic", "the same factors exceed float16's 65504")),
    ),
    "int8": Precision(
        "weights of layers stored in 8 bits by output channel, computed in float32",
        is_calibrated=True,
        kept=(
            BIASES,
            CONSTANTS,
            Kept(
                "activations",
                "with 8 bits for the stem's output alone, the starter's towers differ from fp32's by 0.82 of "
                "their norm",
            ),
            Kept(
                "backbone.stem, backbone.stage2",
                "0.5 % of the weights and half of the rounding: the starter's towers differ by 0.12 of their "
                "norm with them in 8 bits, by 0.06 without",
                family="mobileinst-dense",
                layers=("backbone.stem.*", "backbone.stage2.*"),
            ),
        ),
    ),
    "int8-static": Precision(
        "weights of layers by output channel, and what they read and give, in 8 bits, computed in 8 bits",
        is_calibrated=True,
        computed={"mobileinst": ("backbone.*", "laterals.*", "global_projection.*", "mask_decoder.*")},
        kept=(
            Kept(
                "products and softmax of attention, gates, pooling",
                "3 % of a frame; encode takes 0.54 of fp32's time with gates and pooling in 8 bits, 0.53 "
                "without",
            ),
            Kept(
                "instance_decoder: arithmetic",
                "4 % of a frame, on keyframes only; kernels and scores are read as numbers",
            ),
            Kept(
                "weights of layers that compute in float32, in a .pte",
                "ExecuTorch's layers with weights of 8 bits compute in 8 bits, too",
                layers=("*",),
                form="pte",
            ),
            Kept("segment: kernels times mask features", "2 % of a frame; it decides masks' edges"),
        ),
    ),
}


def kept_by(precision: str, family: str, forms: Collection[str]) -> list[Kept]:
    """What a precision keeps in float32 of models with a driver, in artefacts of some formats."""
    return [
        kept
        for kept in PRECISIONS[precision].kept
        if kept.family in ("", family) and (not kept.form or kept.form in forms)
    ]


@dataclass(frozen=True)
class Conversion:
    """How traced entries become an artefact.

    Attributes:
        precision: a name in ``PRECISIONS``.
        family: the model's driver.
        simplify: the graphs too, where the format has a tool for it.
        form: the format of the artefact; "" before there is one.
        calibration: entry → inputs of its runs on real frames; empty where nothing is calibrated.
    """

    precision: str = FULL_PRECISION
    family: str = ""
    simplify: bool = False
    form: str = ""
    calibration: Mapping[str, Sequence[Mapping[str, Array]]] = field(default_factory=dict)

    @property
    def is_reduced(self) -> bool:
        """Whether numbers are rounded further than float32 does."""
        return self.precision != FULL_PRECISION

    def computes(self, layer: str) -> bool:
        """Whether a layer, by its module path, computes in fewer bits, too."""
        patterns = PRECISIONS[self.precision].computed.get(self.family, ())
        return any(fnmatchcase(layer, pattern) for pattern in patterns)

    def keeps(self, layer: str) -> bool:
        """Whether a layer, by its module path, stays in float32."""
        return not self.computes(layer) and any(
            fnmatchcase(layer, pattern)
            for kept in kept_by(self.precision, self.family, {self.form})
            for pattern in kept.layers
        )


FP32 = Conversion()


@dataclass(frozen=True)
class EntryPrecision:
    """What became of an entry's layers in a format, by module path.

    Attributes:
        reduced: those whose weights have the precision asked for.
        kept: those that stayed in float32.
        computed: those among the reduced that compute in it, too.
        folded: those whose weights the format's tools merged with constants.
    """

    reduced: Sequence[str] = ()
    kept: Sequence[str] = ()
    computed: Sequence[str] = ()
    folded: Sequence[str] = ()


def check_precision(precision: str, has_frames: bool, debug: bool = False) -> None:
    """Refuse a precision that does not exist, or that does not fit what else is asked for.

    Args:
        precision: a name.
        has_frames: to calibrate with.
        debug: whether layers are to be compared with fp32's.

    Raises:
        UserError: it is unknown, needs frames and has none, has frames that it does not need, or is fp32
            where layers are to be compared.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if debug and precision == FULL_PRECISION:
        reduced = ", ".join(name for name in PRECISIONS if name != FULL_PRECISION)
        raise UserError(f"nothing is quantised at {precision}", fix=f"give --precision, one of {reduced}")
    calibrated = PRECISIONS[precision].is_calibrated
    if calibrated and not has_frames:
        raise UserError(
            f"{precision} needs frames to round weights for",
            fix="give --calibrate with a folder of pictures, a video or COCO annotations",
        )
    if has_frames and not calibrated:
        names = ", ".join(name for name, row in PRECISIONS.items() if row.is_calibrated)
        raise UserError(f"{precision} is not calibrated", fix=f"leave out --calibrate, or choose {names}")


def check_family(precision: str, family: str) -> None:
    """Refuse a precision that a model's family does not compute in.

    Args:
        precision: a name in ``PRECISIONS``.
        family: the model's driver.

    Raises:
        UserError: it lacks the precision.
    """
    computed = PRECISIONS[precision].computed
    if computed and family not in computed:
        able = ", ".join(computed)
        others = ", ".join(name for name, row in PRECISIONS.items() if not row.computed)
        raise UserError(
            f"{precision} is for models with the driver {able}, this one's is {family}",
            fix=f"choose from {others}",
        )
