"""Nearest upsampling by 2 as one Resize of an ONNX graph.

Modules write it as columns and rows joined with themselves, since XNNPACK has no operator for it. ONNX
Runtime computes a Resize in its blocked layout; the joins leave that layout and come back, 1.5 % of a frame
of the starter.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import onnx_ir
from onnxscript.rewriter import pattern, rewrite


class _Doubling(pattern.RewriteRuleClassBase):  # type: ignore[misc]  # onnxscript ships no types
    def pattern(self, op: Any, x: Any, columns_shape: Any, wide_shape: Any, shape: Any) -> Any:
        columns = op.Reshape(x, columns_shape)
        wide = op.Reshape(op.Concat(columns, columns, axis=4), wide_shape)
        return op.Reshape(op.Concat(wide, wide, axis=3), shape)

    def check(self, context: Any, x: Any, columns_shape: Any, wide_shape: Any, shape: Any) -> bool:
        """Whether the shapes are those of an upsampling by 2."""
        found = [_constant(value) for value in (columns_shape, wide_shape, shape)]
        if found[0] is None or len(found[0]) != 5:
            return False
        batch, channels, height, width, _ = found[0]
        return found == [
            (batch, channels, height, width, 1),
            (batch, channels, height, 1, 2 * width),
            (batch, channels, 2 * height, 2 * width),
        ] and tuple(x.shape) == (batch, channels, height, width)

    def rewrite(self, op: Any, x: Any, **_: Any) -> Any:
        scales = onnx_ir.tensor(np.array([1, 1, 2, 2], np.float32), name=f"{x.name}_scales")
        return op.Resize(
            x,
            None,
            op.initializer(scales),
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )


def use_resize(model: onnx_ir.Model) -> onnx_ir.Model:
    """The graph with a Resize in place of each nearest upsampling by 2 that is made of reshapes and joins."""
    return rewrite(model, pattern_rewrite_rules=[_Doubling.rule()])


def _constant(value: Any) -> Optional[tuple[int, ...]]:
    return None if value.const_value is None else tuple(value.const_value.numpy().tolist())
