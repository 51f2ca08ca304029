"""LiteRT: plain .tflite files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobilevis.benchmarks.latency.worker.engines import NotAvailableError, Operators
from mobilevis.benchmarks.latency.worker.plain import Arrays, PlainModel, random_array
from mobilevis.runtime.engines.litert import open_interpreter


def open_plain(path: Path, threads: int) -> PlainModel:
    """Any .tflite file with fixed input shapes."""
    interpreter, count = open_interpreter(path, threads)
    details = {detail["name"]: detail for detail in interpreter.get_input_details()}
    inputs = {
        # shape_signature keeps -1 where ``shape`` shows the 1 that an unset dimension falls back to
        name: random_array(
            path, name, detail.get("shape_signature", detail["shape"]).tolist(), detail["dtype"]
        )
        for name, detail in details.items()
    }
    outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def infer(arrays: Arrays) -> Any:
        for name, array in arrays.items():
            interpreter.set_tensor(details[name]["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return PlainModel("litert", count, inputs, infer)


def profile(path: Path, entry: str, inputs: Arrays, threads: int) -> Operators:
    """Say where the profiler is.

    Raises:
        NotAvailableError: always.
    """
    raise NotAvailableError("LiteRT's Python package has no profiler; its benchmark_model has")
