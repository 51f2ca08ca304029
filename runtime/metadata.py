"""The metadata that every artefact carries inside: the one schema that exporters write and runtimes read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any, Optional

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

# 2: options hold only what the driver reads. 1 had more, and is read as it is.
SCHEMA_VERSION = 2
READABLE_SCHEMAS = (1, 2)
PRECISIONS = ("fp32", "fp16", "int8", "int8-static")
METADATA_KEY = "mobilevis"
MAX_METADATA_BYTES = 1 << 20
MAX_TENSOR_ELEMENTS = 1 << 28  # 1 GiB of float32: no phone model has a larger tensor at an entry


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of an entry: contiguous float32 of a fixed shape."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a tensor is called {self.name!r:.40}")
        if self.dtype != "float32":
            raise ValueError(f"tensor {self.name}: dtype {self.dtype} is not float32")
        if not self.shape or any(type(n) is not int or n < 1 for n in self.shape):
            raise ValueError(f"tensor {self.name}: shape {self.shape} is not a list of positive integers")
        if prod(self.shape) > MAX_TENSOR_ELEMENTS:
            raise ValueError(f"tensor {self.name}: shape {self.shape} is larger than any known model's")


@dataclass(frozen=True)
class EntrySpec:
    """The signature of one stateless entry, in the order of the exported graph."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Metadata:
    """Everything that a runtime needs to know of an artefact.

    Attributes:
        model: registry name, such as ``mobileinst-topformer-base``.
        driver: name of the runtime driver that runs the entries, such as ``mobileinst``.
        entries: entry name → signature.
        input_size: (height, width) of the network's input in pixels.
        classes: the categories; the index is the network's class index.
        options: what the driver needs beyond this, such as the default keyframe interval.
        precision: one of ``PRECISIONS``: of its weights, and of its arithmetic in ``int8-static``; inputs and
            outputs are float32 at each.
        color_order: order of the channels of a frame entry's input, range [0, 255].
        resize: rule from the source frame to input_size; ``letterbox`` keeps the aspect and pads right and
            bottom.
        checkpoint_sha256: SHA-256 of the checkpoint file; None when the weights are random.
        parity: what the parity gate measured, and vectors to check the artefact on a device
            (see ``mobilevis.runtime.parity_vectors``).
        tools: versions of the packages that made the artefact.
        digests: SHA-256 of each file without its metadata text (see ``mobilevis.runtime.digests``); empty in
            older exports.
    """

    model: str
    driver: str
    entries: Mapping[str, EntrySpec]
    input_size: tuple[int, int]
    classes: tuple[Category, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "fp32"
    color_order: str = "RGB"
    resize: str = "letterbox"
    checkpoint_sha256: Optional[str] = None
    parity: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        _check_kinds(self)
        if self.color_order != "RGB" or self.resize != "letterbox":
            raise ValueError(f"colour order {self.color_order} with resize rule {self.resize} is not known")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision:.40} is not one of {', '.join(PRECISIONS)}")
        if not self.entries:
            raise ValueError("an artefact has at least one entry")
        _check_classes(self.classes)
        if len(self.input_size) != 2 or any(type(n) is not int or n < 1 for n in self.input_size):
            raise ValueError(f"input size {self.input_size} is not (height, width)")
        _check_frame_size(self)

    @property
    def has_random_weights(self) -> bool:
        """True when no checkpoint was loaded before the export."""
        return self.checkpoint_sha256 is None

    def to_json(self) -> str:
        """The metadata as one JSON object, keys sorted, so that equal metadata are equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check_kinds(metadata: Metadata) -> None:
    for name in ("model", "driver", "precision"):
        if not isinstance(getattr(metadata, name), str):
            raise TypeError(f"{name} is no text")
    for name in ("options", "parity", "tools", "digests"):
        if not isinstance(getattr(metadata, name), Mapping):
            raise TypeError(f"{name} is no object")
    for name in ("tools", "digests"):
        if not all(isinstance(value, str) for value in getattr(metadata, name).values()):
            raise TypeError(f"{name} holds something else than texts")
    if not isinstance(metadata.checkpoint_sha256, (str, type(None))):
        raise TypeError("checkpoint_sha256 is no text")


def _check_classes(classes: Sequence[Category]) -> None:
    """Results files carry ids and names as they are: other readers take whole numbers of 64 bits and text."""
    if not classes:
        raise ValueError("an artefact has at least one class")
    for category in classes:
        if type(category.id) is not int or abs(category.id) >= 1 << 63:
            raise ValueError(f"the class id {category.id!r:.40} is no whole number of 64 bits")
        if not isinstance(category.name, str):
            raise TypeError(f"the name of class {category.id} is no text")
        category.name.encode("utf-8")  # JSON can spell half a character
    if len({category.id for category in classes}) < len(classes):
        raise ValueError("two classes have one id")


def _check_frame_size(metadata: Metadata) -> None:
    """Every frame is resized to ``input_size`` before an entry sees it: both must agree, and be small."""
    if prod(metadata.input_size) > MAX_TENSOR_ELEMENTS:
        raise ValueError(f"input size {metadata.input_size} is larger than any known model's")
    for entry in metadata.entries.values():
        for tensor in entry.inputs:
            if tensor.name == "frame" and tensor.shape[-2:] != tuple(metadata.input_size):
                raise ValueError(f"input size {metadata.input_size}, but the frame is {tensor.shape}")


def _tensors(items: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(item["name"], tuple(item["shape"]), item["dtype"]) for item in items)


def parse_metadata(text: str, file: str) -> Metadata:
    """Read metadata that an artefact carries.

    Args:
        text: JSON as written by ``Metadata.to_json``; hostile until parsed.
        file: the artefact, for the error message.

    Raises:
        UserError: the text is not our metadata, or of another schema version.
    """
    again = "export the model again with this version of mobilevis"
    if len(text) > MAX_METADATA_BYTES:
        raise UserError("the metadata are too large to be mobilevis metadata", file, again)
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise TypeError("they are no object")
        if type(raw["schema"]) is not int or raw["schema"] not in READABLE_SCHEMAS:
            known = ", ".join(map(str, READABLE_SCHEMAS))
            raise UserError(f"metadata schema {raw['schema']}, this version reads {known}", file, again)
        entries = {
            name: EntrySpec(_tensors(entry["inputs"]), _tensors(entry["outputs"]))
            for name, entry in raw["entries"].items()
        }
        classes = tuple(Category(c["id"], c["name"]) for c in raw["classes"])
        height, width = raw["input_size"]
        return Metadata(**{**raw, "entries": entries, "classes": classes, "input_size": (height, width)})
    except KeyError as error:
        raise UserError(f"broken mobilevis metadata: {error} is missing", file, again) from error
    except RecursionError as error:
        raise UserError("broken mobilevis metadata: nested too deeply", file, again) from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"broken mobilevis metadata: {error}", file, again) from error
