"""Nearest upsampling in ONNX: one Resize for what modules write as joins."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from mobilevis.export.onnx import convert
from mobilevis.export.trace import TracedEntry
from mobilevis.models.backbones.yolox import JoinedLevels
from mobilevis.models.entries import Entry


def to_onnx(module: nn.Module, *shapes: tuple[int, ...]):
    """The ONNX graph of a module whose inputs are a, b, …, and whose output is out."""
    samples = {name: torch.zeros(shape) for name, shape in zip("ab", shapes)}

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, **inputs):
            return {"out": self.inner(*inputs.values())}

    named = Named().eval()
    program = torch.export.export(named, (), samples)
    entry = Entry("run", {name: tuple(x.shape) for name, x in samples.items()}, {"out": ()})
    return convert({"run": TracedEntry(entry, named, samples, program)}).models["run"]


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {name: x.numpy() for name, x in inputs.items()})[0]


def operators(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("batch", [1, 2])
def test_doubling_is_one_resize(batch):
    joined = JoinedLevels(3, 5, 4).eval()
    joined.fold()
    model = to_onnx(joined, (batch, 3, 2, 3), (batch, 5, 4, 6))
    assert operators(model).count("Resize") == 1
    assert not {"Concat", "Reshape"} & set(operators(model))
    a, b = torch.randn(batch, 3, 2, 3), torch.randn(batch, 5, 4, 6)
    with torch.no_grad():
        expected = joined(a, b).numpy()
    assert np.allclose(run(model, a=a, b=b), expected, atol=1e-5)


class Joins(nn.Module):
    """Columns and rows joined with themselves, of a map that is first given another shape."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = height, width

    def forward(self, x):
        height, width = self.size
        columns = x.reshape(1, 2, height, width, 1)
        wide = torch.cat([columns, columns], dim=4).reshape(1, 2, height, 1, 2 * width)
        return torch.cat([wide, wide], dim=3).reshape(1, 2, 2 * height, 2 * width)


@pytest.mark.parametrize(("size", "resizes"), [((4, 6), 1), ((6, 4), 0), ((3, 8), 0)])
def test_joins_of_other_shapes_stay(size, resizes):
    module = Joins(*size)
    model = to_onnx(module, (1, 2, 4, 6))
    assert operators(model).count("Resize") == resizes
    x = torch.randn(1, 2, 4, 6)
    assert np.array_equal(run(model, a=x), module(x).numpy())
