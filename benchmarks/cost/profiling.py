"""Parameters and operations of a model, counted on the meta device: nothing is computed.

Operations are counted by PyTorch's ``FlopCounterMode`` in two conventions. MACs: the multiply-adds of
convolutions and matrix products. FLOPs as fvcore counts them, and with it the papers: one for each
multiply-add, two for each element that a batch norm takes in evaluation, four for each that bilinear
upsampling gives.
https://github.com/facebookresearch/fvcore/blob/main/docs/flop_count.md
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mobilevis.models.entries import Shape, StreamingModel

aten = torch.ops.aten


def _batch_norm_flops(shape: Shape, *_: Any, **__: Any) -> int:
    return 2 * math.prod(shape)


def _bilinear_flops(*_: Any, out_shape: Shape, **__: Any) -> int:
    return 4 * math.prod(out_shape)


# What fvcore counts beside the multiply-adds.
EXTRA_FLOPS = {
    aten._native_batch_norm_legit_no_training: _batch_norm_flops,
    aten.upsample_bilinear2d: _bilinear_flops,
}


@dataclass(frozen=True)
class Cost:
    """Operations of one run: multiply-adds, and FLOPs in fvcore's convention."""

    macs: int = 0
    fvcore_flops: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.macs + other.macs, self.fvcore_flops + other.fvcore_flops)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.macs - other.macs, self.fvcore_flops - other.fvcore_flops)


@dataclass(frozen=True)
class BlockProfile:
    """One block of a model in one entry.

    Attributes:
        entry: name of the entry; empty where a block has parameters that no entry's counted operation reads.
        block: path of the module; empty for operations of the entry outside of any module.
        parameters: elements of its parameters, listed with the first entry that runs the block.
        cost: operations of one run of the entry.
    """

    entry: str
    block: str
    parameters: int
    cost: Cost


@dataclass(frozen=True)
class ModelProfile:
    """A model's blocks in the order of its entries and modules; each parameter and operation is in one."""

    blocks: tuple[BlockProfile, ...]

    @property
    def parameters(self) -> int:
        return sum(block.parameters for block in self.blocks)

    @property
    def cost(self) -> Cost:
        """Operations of one run of every entry: a keyframe's."""
        return sum((block.cost for block in self.blocks), Cost())


def profile_model(
    model: StreamingModel, input_size: tuple[int, int], depth: int = 2, **options: Any
) -> ModelProfile:
    """Count a model's parameters and operations by entry and block.

    Args:
        model: on any device; it is not changed.
        input_size: (height, width).
        depth: levels of the module tree that are told apart, 1 or more.
        options: the family's own export options; by default every query gets its mask, as the papers count.

    Raises:
        ValueError: the model cannot take the input size or an option; or ``depth`` is less than 1.
    """
    if depth < 1:
        raise ValueError(f"depth {depth} is not 1 or more")
    entries = model.streaming(input_size, **{"max_instances": None, **options}).entries
    parameters: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        block = _truncate(name.rpartition(".")[0], depth)
        parameters[block] = parameters.get(block, 0) + parameter.numel()
    order = {name: position for position, (name, _) in enumerate(model.named_modules())}
    blocks = []
    for name, entry in entries.items():
        costs: dict[str, Cost] = {}
        shapes = list(entry.inputs.values())
        for path, cost in count_operations(model, shapes, entry.method, entry.arguments).items():
            block = _truncate(path, depth)
            costs[block] = costs.get(block, Cost()) + cost
        ran = [block for block in parameters if any(_within(path, block) for path in costs if path)]
        for block in sorted({*costs, *ran}, key=order.__getitem__):
            cost, own = costs.get(block, Cost()), parameters.pop(block, 0)
            if cost != Cost() or own:
                blocks.append(BlockProfile(name, block, own, cost))
    blocks += [BlockProfile("", block, own, Cost()) for block, own in parameters.items()]
    return ModelProfile(tuple(blocks))


def count_operations(
    module: nn.Module, inputs: Sequence[Shape], method: str = "forward", arguments: tuple[int, ...] = ()
) -> dict[str, Cost]:
    """Operations of one call, by the path of the module that they belong to and no module inside it.

    Args:
        module: on any device, in any mode; it is counted in evaluation mode, and not changed.
        inputs: shapes of the method's arguments.
        method: name of the method.
        arguments: what the method takes before the tensors.
    """
    call = _Call(copy.deepcopy(module).to("meta").eval().requires_grad_(False), method, arguments)
    tensors = [torch.empty(shape, device="meta") for shape in inputs]
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=EXTRA_FLOPS) as counter:
        call(*tensors)
    prefix = f"{type(call).__name__}.target"
    costs = {"": _cost(counter.get_flop_counts()["Global"])}
    for path, counts in counter.get_flop_counts().items():
        if path.startswith(f"{prefix}."):
            costs[path[len(prefix) + 1 :]] = _cost(counts)
    own = dict(costs)
    for path, cost in costs.items():
        if path:
            parent = path.rpartition(".")[0]
            while parent not in costs:
                parent = parent.rpartition(".")[0]
            own[parent] -= cost
    return own


class _Call(nn.Module):
    """A method as a module's call, so that the counter names every module by its path."""

    def __init__(self, target: nn.Module, method: str, arguments: tuple[int, ...]) -> None:
        super().__init__()
        self.target = target
        self.method = method
        self.arguments = arguments

    def forward(self, *inputs: Tensor) -> Any:
        return getattr(self.target, self.method)(*self.arguments, *inputs)


def _cost(counts: dict[Any, int]) -> Cost:
    extra = sum(count for operator, count in counts.items() if operator in EXTRA_FLOPS)
    macs = (sum(counts.values()) - extra) // 2  # PyTorch counts a multiply-add as two
    return Cost(macs, macs + extra)


def _truncate(path: str, depth: int) -> str:
    return ".".join(path.split(".")[:depth])


def _within(path: str, block: str) -> bool:
    return path == block or path.startswith(f"{block}.")
