"""What an artefact of a model says of itself, before there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from mobilevis.export.converters import CONVERTERS
from mobilevis.models.entries import Shape, Streaming, StreamingModel
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.versions import tool_versions


def describe(
    model: StreamingModel,
    input_size: tuple[int, int],
    *,
    name: Optional[str] = None,
    classes: Optional[Sequence[Category]] = None,
    checkpoint_sha256: Optional[str] = None,
    precision: str = "fp32",
    **options: Any,
) -> tuple[Streaming, Metadata]:
    """The model at one input size, and the metadata that an artefact of it carries.

    Args:
        model: the model.
        input_size: (height, width) in pixels.
        name: for the metadata; None takes the class's name.
        classes: the categories by class index; None numbers them from 1.
        checkpoint_sha256: SHA-256 of the file that the weights came from; None marks them as random.
        precision: a name in ``mobilevis.export.precision.PRECISIONS``.
        options: the model's own export options, such as ``max_instances``.

    Raises:
        ValueError: the size or an option does not fit the model.
        UserError: there is not one class for each of the model's outputs.
    """
    streaming = model.streaming(input_size, **options)
    metadata = Metadata(
        model=name or type(model).__name__.lower(),
        driver=model.driver,
        entries={
            key: EntrySpec(_specs(entry.inputs), _specs(entry.outputs))
            for key, entry in streaming.entries.items()
        },
        input_size=input_size,
        classes=_classes(model, classes),
        options=streaming.driver_options,
        precision=precision,
        checkpoint_sha256=checkpoint_sha256,
        tools=tool_versions(_tools()),
    )
    return streaming, metadata


def _classes(model: StreamingModel, classes: Optional[Sequence[Category]]) -> tuple[Category, ...]:
    if classes is None:
        return tuple(Category(i, f"class {i}") for i in range(1, model.num_classes + 1))
    if len(classes) != model.num_classes:
        raise UserError(
            f"{len(classes)} classes are named, the model has {model.num_classes}", fix="name every class"
        )
    return tuple(classes)


def _specs(tensors: Mapping[str, Shape]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, tuple(shape)) for name, shape in tensors.items())


def _tools() -> list[str]:
    """The packages that take part in an export, by pip's names."""
    converters = [package for converter in CONVERTERS.values() for package in converter.packages]
    engines = [package for engine in ENGINES.values() for package in engine.distributions]
    return ["mobilevis", "torch", *converters, *engines]
