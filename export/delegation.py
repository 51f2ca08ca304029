"""What a lowered graph leaves outside its delegates."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch.fx import Graph, Node

DELEGATE_CALL = "executorch_call_delegate"
# These change strides, not values: XNNPACK wants channels last, entries take and give contiguous tensors.
LAYOUT_COPIES = ("dim_order_ops._to_dim_order_copy", "dim_order_ops._clone_dim_order")


@dataclass(frozen=True)
class EntryDelegation:
    """The graph of one entry after lowering.

    Attributes:
        delegate_calls: calls into XNNPACK; one is the best there is.
        operators_outside: operator → how many of it run on ExecuTorch's portable kernels.
        layout_copies: copies at the delegates' borders that only change the memory layout → how many.
    """

    delegate_calls: int
    operators_outside: Mapping[str, int] = field(default_factory=dict)
    layout_copies: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """One delegate call and no compute operator outside it."""
        return self.delegate_calls == 1 and not self.operators_outside


def entry_delegation(graph: Graph) -> EntryDelegation:
    """Count what is inside and outside the delegates of a lowered graph."""
    calls, outside, copies = 0, Counter[str](), Counter[str]()
    for node in graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        name = operator_name(node)
        if name == DELEGATE_CALL:
            calls += 1
        elif name.startswith(LAYOUT_COPIES):
            copies[name] += 1
        else:
            outside[name] += 1
    return EntryDelegation(calls, dict(outside), dict(copies))


def operator_name(node: Node) -> str:
    """The operator that a node calls, such as ``aten.mean.dim``."""
    target = node.target
    name = getattr(target, "_name", None) or getattr(target, "__name__", None) or str(target)
    return str(name).replace("::", ".")
