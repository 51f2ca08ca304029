"""What a model says of itself: its stateless entries, and the driver that strings them together.

Exporters and runtimes know models only through this. MobileInst has ``encode``, ``decode`` and ``segment``;
other families have other entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Callable, Optional

from torch import nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """One stateless function of the model, at fixed shapes.

    Attributes:
        method: name of the model's method; it takes the inputs in order and returns a tensor, or a tuple of
            tensors in the order of ``outputs``. All tensors are contiguous float32.
        inputs: name → shape, in order.
        outputs: name → shape, in order.
        arguments: constants that the method takes before the inputs, such as the index of a layer.
    """

    method: str
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    arguments: tuple[int, ...] = ()


@dataclass(frozen=True)
class Streaming:
    """A model at one input size, as an export takes it.

    Attributes:
        entries: name → entry.
        driver_options: what the driver must know beyond the entries' shapes; the metadata's ``options``.
        gate_options: the driver's options under which it runs every entry, for the parity gate; no artefact
            carries them.
    """

    entries: Mapping[str, Entry]
    driver_options: Mapping[str, Any]
    gate_options: Mapping[str, Any] = field(default_factory=dict)


class StreamingModel(nn.Module):
    """Base of every model that can be exported as a streaming artefact.

    Attributes:
        config: a dataclass; ``create_model(name, **asdict(config))`` builds the model again.
        driver: name of the runtime driver for the artefact.
        size_multiple: height and width of the input must be multiples of this.
        num_classes: number of categories.
        num_queries: N, the instances that the model can find in a frame or clip.
        usual_instances: instances that get a mask where an export does not say, if N allows; None for all N.
        rounding: what amplifies an engine's rounding, "deep" or "detector", or "" for neither; an export has
            the tolerance for such models.
        build_streaming: the family's part of ``streaming``: takes the input size, the number of instances
            that get a mask, and the family's own export options by keyword.
    """

    config: Any
    driver: str
    size_multiple: int
    num_classes: int
    num_queries: int
    usual_instances: Optional[int] = None
    rounding: str = ""
    build_streaming: Callable[..., Streaming]

    def streaming(self, input_size: tuple[int, int], **options: Any) -> Streaming:
        """The entries at one input size, and what their driver must know.

        Args:
            input_size: (height, width) in pixels, multiples of ``size_multiple``.
            options: the family's own export options, see its ``build_streaming``. Every family takes
                ``max_instances``, how many instances get a mask in a frame; None stands for all N.

        Raises:
            ValueError: the size does not fit the model; ``max_instances`` is not in 1…N; or an option or its
                value is not one of the family's.
        """
        check_input_size(input_size, self.size_multiple)
        known = list(signature(self.build_streaming).parameters)[1:]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"no export option {', '.join(unknown)}; known are {', '.join(known)}")
        if "max_instances" in options:
            options["max_instances"] = limit_instances(options["max_instances"], self.num_queries)
        else:
            options["max_instances"] = min(self.usual_instances or self.num_queries, self.num_queries)
        return self.build_streaming(input_size, **options)


def limit_instances(max_instances: Optional[int], num_queries: int) -> int:
    """How many instances get a mask, of N queries; None stands for all.

    Raises:
        ValueError: it is not in 1…N.
    """
    if max_instances is None:
        return num_queries
    if not 1 <= max_instances <= num_queries:
        raise ValueError(f"max_instances {max_instances} is not in 1…{num_queries}, the number of queries")
    return max_instances


def check_input_size(size: tuple[int, int], multiple: int) -> None:
    """Refuse a size (height, width) that a model cannot take.

    Raises:
        ValueError: a side is no multiple of ``multiple``; names the nearest two sizes that are.
    """
    if all(side > 0 and side % multiple == 0 for side in size):
        return
    below = [max(side // multiple, 1) * multiple for side in size]
    above = [max(-(-side // multiple), 1) * multiple for side in size]
    nearest = " and ".join(sorted({f"{height}x{width}" for height, width in (below, above)}))
    raise ValueError(
        f"input size {size[0]}x{size[1]} is no multiple of {multiple}, the nearest are {nearest}"
    )
