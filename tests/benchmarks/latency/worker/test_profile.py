from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.worker.engines.executorch import parse_etdump
from mobilevis.benchmarks.latency.worker.engines.onnxruntime import parse_profile
from mobilevis.benchmarks.latency.worker.memory_pass import resident_mib


def test_onnx_runtimes_profile_gives_the_median_of_each_node():
    def node(name: str, operator: str, microseconds: int) -> dict[str, object]:
        return {
            "cat": "Node",
            "name": f"{name}_kernel_time",
            "dur": microseconds,
            "args": {"op_name": operator},
        }

    events = [
        {"cat": "Session", "name": "model_run", "dur": 9999, "args": {}},
        *(node("stem", "Conv", dur) for dur in (4000, 2000, 3000)),
        node("sum", "Add", 500),
    ]
    assert parse_profile(json.dumps(events)) == [
        {"type": "Conv", "name": "stem", "milliseconds": 3.0},
        {"type": "Add", "name": "sum", "milliseconds": 0.5},
    ]


def test_an_etdump_gives_the_median_of_each_operator_and_not_of_the_method(tmp_path: Path):
    from executorch.devtools.etdump import schema_flatcc as schema
    from executorch.devtools.etdump.serialize import serialize_to_etdump_flatcc

    def event(name: str, microseconds: int, instruction: int) -> schema.Event:
        chain = 0 if instruction >= 0 else -1
        times = {"start_time": 0, "end_time": 1000 * microseconds}
        profile = schema.ProfileEvent(name, chain, instruction, -1, "", None, **times)
        return schema.Event(profile, None, None)

    runs = [
        schema.RunData(
            "Execute", -1, [], [event("native_call_add.out", us, 0), event("Method::execute", 9000, -1)]
        )
        for us in (1000, 3000, 2000)
    ]
    dump = serialize_to_etdump_flatcc(schema.ETDumpFlatCC(0, runs))
    path = tmp_path / "x.etdp"
    path.write_bytes(len(dump).to_bytes(4, "little") + dump)  # the runtime writes size-prefixed buffers
    assert parse_etdump(path) == [{"type": "operator", "name": "native_call_add.out", "milliseconds": 2.0}]


def test_resident_memory_is_read_from_the_kernel():
    assert resident_mib("VmPeak:\t9 kB\nVmHWM:\t 2048 kB\nVmRSS:\t 1024 kB\n") == (1.0, 2.0)
    with pytest.raises(ValueError, match="does not say"):
        resident_mib("Name:\tx\n")
