"""ExecuTorch: plain .pte files, and the profiler of a runtime that was built to trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from mobilevis.benchmarks.latency.worker.engines import (
    PROFILED_RUNS,
    NotAvailableError,
    Operators,
    median_operators,
)
from mobilevis.benchmarks.latency.worker.plain import Arrays, PlainModel, random_array
from mobilevis.runtime.engines.executorch import open_program, portable_lib
from mobilevis.runtime.errors import UserError

# executorch/schema/scalar_type.fbs
DTYPES: Mapping[int, DTypeLike] = {
    0: np.uint8,
    1: np.int8,
    3: np.int32,
    4: np.int64,
    5: np.float16,
    6: np.float32,
    7: np.float64,
    11: np.bool_,
}


def open_plain(path: Path, threads: int) -> PlainModel:
    """Any .pte file with fixed input shapes."""
    import torch

    program = open_program(path, threads)
    names = [program.get_method_name(i) for i in range(program.num_methods())]
    if "forward" not in names and len(names) != 1:
        raise UserError(
            f"the program has methods {', '.join(names)}", path, "a plain model has forward alone"
        )
    method = program.load_method("forward" if "forward" in names else names[0])
    meta = method.method_meta()
    inputs = {}
    for i in range(meta.num_inputs()):
        tensor = meta.input_tensor_meta(i)
        inputs[str(i)] = random_array(path, str(i), tensor.sizes(), DTYPES.get(tensor.dtype()))

    def infer(arrays: Arrays) -> Any:
        return method.call([torch.from_numpy(array) for array in arrays.values()], clone_outputs=True)

    return PlainModel("executorch", threads, inputs, infer)


def profile(path: Path, entry: str, inputs: Arrays, threads: int) -> Operators:
    """Operators of a method, or of a plain model.

    Raises:
        NotAvailableError: the runtime was built without its tracer.
    """
    import torch

    module = portable_lib()._load_for_executorch(str(path), enable_etdump=True)
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    methods = module.method_names()
    for _ in range(PROFILED_RUNS):
        module.run_method(entry if entry in methods else methods[0], tensors)
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
    return median_operators(nodes)
