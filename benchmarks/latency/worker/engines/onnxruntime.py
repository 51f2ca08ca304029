"""ONNX Runtime: plain .onnx files, and its profiler, which counts by node."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from mobilevis.benchmarks.latency.worker.engines import PROFILED_RUNS, Operators, median_operators
from mobilevis.benchmarks.latency.worker.plain import Arrays, PlainModel, random_array
from mobilevis.runtime.engines.onnxruntime import open_session

DTYPES: Mapping[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def open_plain(path: Path, threads: int) -> PlainModel:
    """Any .onnx file with fixed input shapes."""
    session = open_session(path, threads)
    inputs = {
        tensor.name: random_array(path, tensor.name, tensor.shape, DTYPES.get(tensor.type))
        for tensor in session.get_inputs()
    }
    count = int(session.get_session_options().intra_op_num_threads)
    return PlainModel("onnxruntime", count, inputs, lambda arrays: session.run(None, arrays))


def profile(path: Path, entry: str, inputs: Arrays, threads: int) -> Operators:
    """Operators of an entry's file, or of a plain model."""
    file = path / f"{entry}.onnx" if path.is_dir() else path
    session = open_session(file, threads, profile_prefix=Path(f"profile-{entry}"))
    for _ in range(PROFILED_RUNS):
        session.run(None, dict(inputs))
    return parse_profile(Path(session.end_profiling()).read_text(encoding="utf-8"))


def parse_profile(text: str) -> Operators:
    """Operators of ONNX Runtime's profile, by node; ``dur`` there is in microseconds."""
    nodes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in json.loads(text):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            node = event["args"]["op_name"], event["name"][: -len("_kernel_time")]
            nodes[node].append(event["dur"] / 1e3)
    return median_operators(nodes)
