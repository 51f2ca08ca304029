"""An artefact small enough to time in a test, with MobileInst's entries, on a real engine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobilevis.benchmarks.latency.worker.protocol import Protocol
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.categories import Category
from mobilevis.runtime.metadata import METADATA_KEY, EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.parity_vectors import make_parity_vectors

H, W = 64, 128
D, QUERIES, SLOTS = 4, 3, 2
FEATURES = TensorSpec("mask_features", (1, D, H // 8, W // 8))
CONTEXT = TensorSpec("global_features", (1, D, H // 64, W // 64))
ENTRIES = {
    "encode": EntrySpec((TensorSpec("frame", (1, 3, H, W)),), (FEATURES, CONTEXT)),
    "decode": EntrySpec(
        (FEATURES, CONTEXT), (TensorSpec("kernels", (1, QUERIES, D)), TensorSpec("scores", (1, QUERIES, 1)))
    ),
    "segment": EntrySpec(
        (TensorSpec("kernels", (1, SLOTS, D)), FEATURES),
        (TensorSpec("mask_logits", (1, SLOTS, H // 4, W // 4)),),
    ),
}
LONG = Protocol("long", min_runs=10**9, min_seconds=60, max_seconds=60, max_warmup_seconds=0.5)
SHORT = Protocol(
    "short", min_runs=24, min_seconds=0.0, max_seconds=20, warmup_seconds=0.0, max_warmup_seconds=1
)


def _nodes(entry: str) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Every query answers with a fixed kernel and score; masks are kernels times pooled colours."""
    if entry == "encode":
        pooling = {"kernel_shape": [8, 8], "strides": [8, 8]}
        return [
            helper.make_node("Conv", ["frame", "colors"], ["mixed"]),
            helper.make_node("AveragePool", ["mixed"], ["mask_features"], **pooling),
            helper.make_node("AveragePool", ["mask_features"], ["global_features"], **pooling),
        ], {"colors": np.linspace(0.01, 0.1, D * 3, dtype=np.float32).reshape(D, 3, 1, 1)}
    if entry == "decode":
        return [
            helper.make_node("ReduceMean", ["mask_features"], ["mean"], keepdims=0),
            helper.make_node("ReduceMean", ["global_features"], ["global_mean"], keepdims=0),
            helper.make_node("Sub", ["mean", "global_mean"], ["difference"]),
            helper.make_node("Mul", ["difference", "zero"], ["nothing"]),
            helper.make_node("Add", ["fixed_kernels", "nothing"], ["kernels"]),
            helper.make_node("Add", ["fixed_scores", "nothing"], ["scores"]),
        ], {
            "zero": np.zeros((), np.float32),
            "fixed_kernels": np.eye(QUERIES, D, dtype=np.float32)[None],
            "fixed_scores": np.array([0.9, 0.8, 0.7], np.float32).reshape(1, QUERIES, 1),
        }
    return [
        helper.make_node("Reshape", ["mask_features", "flat"], ["flattened"]),
        helper.make_node("MatMul", ["kernels", "flattened"], ["products"]),
        helper.make_node("Reshape", ["products", "square"], ["small"]),
        helper.make_node("Resize", ["small", "", "scales"], ["mask_logits"], mode="nearest"),
    ], {
        "flat": np.array([1, D, -1], np.int64),
        "square": np.array([1, SLOTS, H // 8, W // 8], np.int64),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }


def write_onnx(path: Path, entry: str, metadata: Metadata) -> None:
    """Write one entry as an .onnx file that carries the metadata."""
    nodes, constants = _nodes(entry)
    spec = metadata.entries[entry]
    infos = [
        [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.shape) for t in tensors]
        for tensors in (spec.inputs, spec.outputs)
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, entry, *infos, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: metadata.to_json()})
    onnx.save(model, path)


def write_artefact(folder: Path, **changes: object) -> Path:
    """Write an artefact; ``changes`` go into its metadata's parity vectors."""
    facts = {
        "model": "colors",
        "driver": "mobileinst",
        "entries": ENTRIES,
        "input_size": (H, W),
        "classes": (Category(1, "thing"),),
        "options": {"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
    }
    folder.mkdir()
    for entry in ENTRIES:
        write_onnx(folder / f"{entry}.onnx", entry, Metadata(**facts))
    vectors = make_parity_vectors(load_artefact(folder), tolerance=1e-3)
    verified = Metadata(**facts, parity={"vectors": {**vectors, **changes}})
    for entry in ENTRIES:
        write_onnx(folder / f"{entry}.onnx", entry, verified)
    return folder


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX folder whose parity vectors hold."""
    return write_artefact(tmp_path_factory.mktemp("artefacts") / "colors_64x128_fp32")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven 90x150 frames, a bright square moving right."""
    import cv2

    folder = tmp_path_factory.mktemp("clips") / "clip"
    folder.mkdir()
    for t in range(7):
        frame = np.zeros((90, 150, 3), np.uint8)
        frame[20:60, 10 + 8 * t : 50 + 8 * t] = 255
        cv2.imwrite(str(folder / f"{t:03}.png"), frame)
    return folder


@pytest.fixture
def bare_python(tmp_path: Path) -> BarePython:
    """A Python with NumPy and the packages that a test adds: what a board has."""
    return BarePython(tmp_path / "board")


class BarePython:
    """Makes an interpreter that sees none of this environment's packages but those linked."""

    def __init__(self, root: Path) -> None:
        self.site = root / "site"
        self.site.mkdir(parents=True)
        self.executable = root / "python"
        base = getattr(sys, "_base_executable", sys.executable)
        self.executable.write_text(f'#!/bin/sh\nPYTHONPATH="{self.site}" exec "{base}" -S "$@"\n')
        self.executable.chmod(0o755)

    def link(self, *packages: str) -> BarePython:
        """Make installed packages visible, with their bundled libraries and versions."""
        for package in packages:
            home = Path(importlib.util.find_spec(package).origin).parents[1]
            for path in (
                *home.glob(package),
                *home.glob(f"{package}.libs"),
                *home.glob(f"{package}-*.dist-info"),
            ):
                (self.site / path.name).symlink_to(path)
        return self
