"""What a model says of itself: its stateless entries, and the driver that strings them together.

Exporters and runtimes know models only through this. MobileInst has ``encode``, ``decode`` and ``segment``;
other families have other entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


class StreamingModel(nn.Module):
    """Base of every model that can be exported as a streaming artefact.

    Attributes:
        config: a dataclass; ``create_model(name, **asdict(config))`` builds the model again.
        driver: name of the runtime driver for the artefact.
        size_multiple: height and width of the input must be multiples of this.
        num_classes: number of categories.
        deep: many layers on top of each other amplify rounding; an export has the tolerance for such models.
    """

    config: Any
    driver: str
    size_multiple: int
    num_classes: int
    deep: bool = False

    def entries(self, input_size: tuple[int, int], **options: Any) -> dict[str, Entry]:
        """The entries at one input size (height, width).

        Args:
            input_size: (height, width).
            options: the family's own export options. Every family takes ``max_instances``, how many instances
                get a mask in a frame; None stands for all that the model can find.
        """
        raise NotImplementedError

    def driver_options(self, input_size: tuple[int, int], **options: Any) -> dict[str, Any]:
        """What the driver must know beyond the entries' shapes; goes into the metadata's ``options``."""
        raise NotImplementedError
