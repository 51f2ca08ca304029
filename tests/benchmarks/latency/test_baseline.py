"""Plain models beside ours: any .onnx, .tflite or .pte with fixed shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mobilevis.benchmarks.latency.bench import Plan, run_plan
from mobilevis.benchmarks.latency.report.compare import compare_within
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.benchmarks.latency.worker.loading import open_plain
from mobilevis.runtime.errors import UserError

from .conftest import SHORT
from .test_faults import CPU


def plain_onnx(path: Path, shape=(1, 3, 8, 8), dtype=TensorProto.FLOAT) -> Path:
    """A model that returns its input."""
    ends = [helper.make_tensor_value_info(name, dtype, shape) for name in ("images", "out")]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["out"])], "plain", ends[:1], ends[1:]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def network():
    import torch

    return torch.nn.Conv2d(3, 4, 3).eval(), (torch.rand(1, 3, 8, 8),)


@pytest.fixture(scope="module")
def plain_pte(network, tmp_path_factory) -> Path:
    import torch
    from executorch.exir import to_edge_transform_and_lower

    path = tmp_path_factory.mktemp("pte") / "plain.pte"
    path.write_bytes(to_edge_transform_and_lower(torch.export.export(*network)).to_executorch().buffer)
    return path


@pytest.fixture(scope="module")
def plain_tflite(network, tmp_path_factory) -> Path:
    import litert_torch

    path = tmp_path_factory.mktemp("tflite") / "plain.tflite"
    litert_torch.convert(*network).export(str(path))
    return path


def test_a_plain_model_is_timed_beside_an_artefact_and_marked_as_not_verified(artefact, tmp_path):
    baseline = plain_onnx(tmp_path / "plain.onnx")
    plan = Plan((artefact,), SHORT, baselines=(baseline,), cpus=str(CPU), interleave=True)
    report, error = run_plan(LocalTransport(), plan)
    assert error is None
    ours, plain = report.artefacts
    assert plain.is_baseline
    assert plain.parity is None
    assert set(plain.workloads["entries"].milliseconds) == {"model", "total"}
    assert len(plain.workloads["entries"].at_s) == len(ours.workloads["entries"].at_s)
    assert plain.not_measured["frames"] == "a plain model has no driver"


def test_a_plain_model_takes_turns_with_streamed_frames(artefact, clip, tmp_path):
    baseline = plain_onnx(tmp_path / "plain.onnx")
    plan = Plan((artefact,), SHORT, baselines=(baseline,), cpus=str(CPU), source=clip, interleave=True)
    report, error = run_plan(LocalTransport(), plan)
    assert error is None
    ours, plain = (result.workloads["frames"] for result in report.artefacts)
    assert all(x < y for x, y in zip(ours.at_s, plain.at_s))
    assert set(plain.milliseconds) == {"frame"}
    assert set(plain.is_keyframe) == {None}
    assert not any("no instance" in reason for reason in report.artefacts[1].reasons)
    frames = [comparison for comparison in compare_within(report) if comparison.kind == "frames"]
    assert [row.stage for row in frames[0].rows] == ["amortised frame", "keyframe", "other frame"]


def test_one_artefact_twice_has_two_names(artefact):
    plan = Plan((artefact, artefact), SHORT, cpus=str(CPU), interleave=True)
    report, _ = run_plan(LocalTransport(), plan)
    names = [result.name for result in report.artefacts]
    assert names == [f"{artefact.parent.name}/{artefact.name} #{i}" for i in (1, 2)]


@pytest.mark.parametrize("fixture", ["plain_pte", "plain_tflite"])
def test_every_format_runs(request, fixture):
    model = open_plain(request.getfixturevalue(fixture), threads=1)
    outputs = model.run("model", model.inputs["model"])
    assert tuple(outputs[0].shape) == (1, 4, 6, 6)
    assert model.threads == 1


@pytest.mark.parametrize(
    ("dtype", "numpy_dtype"),
    [
        (TensorProto.FLOAT, np.float32),
        (TensorProto.UINT8, np.uint8),
        (TensorProto.INT64, np.int64),
        (TensorProto.BOOL, np.bool_),
    ],
)
def test_inputs_of_usual_types_are_made(tmp_path, dtype, numpy_dtype):
    model = open_plain(plain_onnx(tmp_path / "plain.onnx", dtype=dtype), threads=1)
    array = model.inputs["model"]["images"]
    assert array.dtype == numpy_dtype
    assert array.min() >= 0
    assert array.max() <= 1
    np.testing.assert_array_equal(model.run("model", model.inputs["model"])[0], array)


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        (("batch", 3, 8, 8), TensorProto.FLOAT, r"input images has no fixed shape: \['batch', 3, 8, 8\]"),
        ((1, 1 << 15, 1 << 15), TensorProto.FLOAT, "is too large"),
        ((1, 2), TensorProto.STRING, "of a type that is not known here"),
    ],
)
def test_inputs_that_cannot_be_made_are_refused(tmp_path, shape, dtype, words):
    with pytest.raises(UserError, match=words):
        open_plain(plain_onnx(tmp_path / "plain.onnx", shape, dtype), threads=1)


@pytest.mark.parametrize("name", ["model.pt", "model", "absent.onnx"])
def test_other_files_are_refused(tmp_path, name):
    if name != "absent.onnx":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=r"not a plain model.*onnx, .pte or .tflite"):
        open_plain(tmp_path / name, threads=1)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".pte"])
def test_a_broken_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(UserError):
        open_plain(path, threads=1)
