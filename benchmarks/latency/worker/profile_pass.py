"""The profile pass: each operator's milliseconds by the engine's own profiler. Never printed as a latency."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Callable

from mobilevis.benchmarks.latency.worker.job import Job
from mobilevis.benchmarks.latency.worker.journal import Journal
from mobilevis.benchmarks.latency.worker.loading import Loaded, load
from mobilevis.runtime.engines import executorch, onnxruntime

RUNS = 20
Operators = list[dict[str, Any]]


class NotAvailableError(Exception):
    """The engine, as installed, has no profiler."""


def run(job: Job, journal: Journal) -> None:
    """Profile each target: entry → operators with type, name and median milliseconds."""
    for index, target in enumerate(job.targets):
        loaded = load(target, job.threads)
        profiler = PROFILERS[loaded.runner.engine]
        path = Path(target.path)
        try:
            entries = {entry: profiler(loaded, path, entry, job.threads) for entry in loaded.inputs}
            journal.write("profile", target=index, entries=entries)
        except NotAvailableError as error:
            journal.write("profile", target=index, not_available=str(error))


def _profile_onnx(loaded: Loaded, path: Path, entry: str, threads: int) -> Operators:
    file = path / f"{entry}.onnx" if path.is_dir() else path
    session = onnxruntime.open_session(file, threads, profile_prefix=Path(f"profile-{entry}"))
    for _ in range(RUNS):
        session.run(None, dict(loaded.inputs[entry]))
    return parse_onnx_profile(Path(session.end_profiling()).read_text(encoding="utf-8"))


def parse_onnx_profile(text: str) -> Operators:
    """Operators of ONNX Runtime's profile, by node; ``dur`` there is in microseconds."""
    nodes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in json.loads(text):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            node = event["args"]["op_name"], event["name"][: -len("_kernel_time")]
            nodes[node].append(event["dur"] / 1e3)
    return _operators(nodes)


def _profile_pte(loaded: Loaded, path: Path, entry: str, threads: int) -> Operators:
    import torch

    module = executorch.portable_lib()._load_for_executorch(str(path), enable_etdump=True)
    tensors = [torch.from_numpy(array) for array in loaded.inputs[entry].values()]
    method = entry if loaded.artefact is not None else module.method_names()[0]
    for _ in range(RUNS):
        module.run_method(method, tensors)
    dump = Path(f"profile-{entry}.etdp")
    module.write_etdump_result_to_file(str(dump))
    if not dump.exists():  # has_etdump() is true even of a runtime that cannot trace
        raise NotAvailableError("this ExecuTorch was built without EXECUTORCH_ENABLE_EVENT_TRACER")
    return parse_etdump(dump)


def parse_etdump(path: Path) -> Operators:
    """Operators of an ETDump, by name; a delegate shows as one operator unless it profiles its own."""
    from executorch.devtools import Inspector

    nodes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for block in Inspector(etdump_path=str(path)).event_blocks:
        for event in block.events:
            if block.name == "Execute" and event.perf_data is not None and event.name != "Method::execute":
                kind = str(event.delegate_backend_name or "portable") if event.is_delegated_op else "operator"
                nodes[kind, event.name] += event.perf_data.raw
    return _operators(nodes)


def _profile_tflite(loaded: Loaded, path: Path, entry: str, threads: int) -> Operators:
    raise NotAvailableError("LiteRT's Python package has no profiler; its benchmark_model has")


def _operators(nodes: Mapping[tuple[str, str], list[float]]) -> Operators:
    return [
        {"type": kind, "name": name, "milliseconds": median(values)} for (kind, name), values in nodes.items()
    ]


PROFILERS: Mapping[str, Callable[[Loaded, Path, str, int], Operators]] = {
    "onnxruntime": _profile_onnx,
    "executorch": _profile_pte,
    "litert": _profile_tflite,
}
