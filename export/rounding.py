"""Weights on a grid of 8 bits, rounded so that what a layer computes on real frames changes least.

What a layer reads is not centred (SiLU has a mean, letterboxed borders are constant), so that errors of
weights rounded to the nearest step add up: the starter's towers differ by 0.40 of their norm, with GPTQ
(Frantar et al., ICLR 2023) by 0.13. It takes the error of each weight out of those not yet rounded, as the
inputs' second moments say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Union

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.export.trace import EntryModule

Rounded = Union[nn.Conv2d, nn.Linear]

STEPS = 127  # of a symmetric grid of 8 bits, on either side of 0
# Of the mean second moment, added to each input's own: the paper's damping.
DAMPING = 0.01
MOST_POSITIONS = 512  # of a feature map, that one run adds to the moments: more say the same


def round_layers(
    layers: Iterable[Rounded],
    entries: Mapping[str, EntryModule],
    inputs: Mapping[str, Iterable[Mapping[str, Tensor]]],
) -> None:
    """Put the weights of layers on a grid, in place.

    Args:
        layers: those to round; one that no entry runs stays as it is.
        entries: name → entry of one model, which is folded.
        inputs: entry → inputs of its runs on real frames.
    """
    moments: dict[Rounded, Tensor] = {}
    handles = [layer.register_forward_pre_hook(_Moments(moments)) for layer in layers]
    try:
        with torch.no_grad():
            for name, entry in entries.items():
                for run in inputs[name]:
                    entry(**run)
    finally:
        for handle in handles:
            handle.remove()
    for layer, moment in moments.items():
        layer.weight.data = round_weight(layer.weight.detach(), moment)


class _Moments:
    """Adds up the second moments of what layers read."""

    def __init__(self, moments: dict[Rounded, Tensor]) -> None:
        self._moments = moments

    def __call__(self, layer: Rounded, inputs: tuple[Tensor, ...]) -> None:
        read = read_columns(layer, inputs[0])
        moment = torch.bmm(read, read.transpose(1, 2))
        self._moments[layer] = self._moments[layer] + moment if layer in self._moments else moment


def read_columns(layer: Rounded, x: Tensor) -> Tensor:
    """What each output of a layer is a product with: (groups, numbers read, positions)."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1]).T[None]
    # padding may be a word such as "same"; the layers here have numbers
    columns = F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
    columns = columns.transpose(0, 1).flatten(1)
    columns = columns[:, :: -(-columns.shape[1] // MOST_POSITIONS)]
    return columns.reshape(layer.groups, -1, columns.shape[1])


def round_weight(weight: Tensor, moment: Tensor) -> Tensor:
    """A weight on the grid of its output channels' largest values.

    Args:
        weight: (out, …), float32.
        moment: (groups, d, d), the second moments of the d numbers that an output is a product with.

    Returns:
        The same shape; each output channel's values are whole multiples of its largest one over ``STEPS``.
    """
    groups, size, _ = moment.shape
    rows = weight.reshape(groups, -1, size).double()
    largest, where = rows.abs().max(dim=2, keepdim=True)
    scale = torch.where(largest > 0, largest / STEPS, torch.ones_like(largest))
    damped = moment.double() + torch.eye(size) * (
        DAMPING * moment.double().diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)[:, None, None]
    )
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    left, rounded = rows.clone(), torch.empty_like(rows)
    for i in range(size):
        column = left[:, :, i : i + 1]
        rounded[:, :, i : i + 1] = torch.clamp(torch.round(column / scale), -STEPS, STEPS) * scale
        error = (column - rounded[:, :, i : i + 1]) / inverse[:, i, i][:, None, None]
        left[:, :, i:] -= error * inverse[:, i, None, i:]
    # The largest value says what the grid is: it stays where it was.
    rounded.scatter_(2, where, rows.gather(2, where))
    return rounded.reshape(weight.shape).float()
