"""Results as a worker could have given them, for what is said of results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Series, Setup
from mobilevis.benchmarks.latency.worker.environment import parse_snapshot
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS


def frames(
    count: int = 120, key_ms: float = 40.0, other_ms: float = 20.0, interval: int = 3, **fields: Any
) -> Series:
    """Frames of a steady run, one in ``interval`` a keyframe."""
    random = np.random.default_rng(0)
    is_keyframe = [i % interval == 0 for i in range(count)]
    noise = random.normal(1, 0.01, count)
    encode = [0.8 * other_ms * noise[i] for i in range(count)]
    decode = [(key_ms - other_ms) * noise[i] if key else None for i, key in enumerate(is_keyframe)]
    total = [0.2 * other_ms + encode[i] + (decode[i] or 0.0) for i in range(count)]
    defaults = {"settled": True, "complete": True, "others_on_pinned_cores": 0.0, "others_anywhere": 0.0}
    return Series(
        at_s=[0.02 * i for i in range(count)],
        is_keyframe=is_keyframe,
        instances=[2] * count,
        milliseconds={"encode": encode, "decode": decode, "frame": total},
        warm_up=[50.0, 40.0],
        **{**defaults, **fields},
    )


def entries(count: int = 60, encode_ms: float = 18.0) -> Series:
    """Rounds over two entries."""
    random = np.random.default_rng(1)
    encode = [encode_ms * noise for noise in random.normal(1, 0.01, count)]
    segment = [2.0 * noise for noise in random.normal(1, 0.01, count)]
    total = [a + b for a, b in zip(encode, segment)]
    milliseconds = {"encode": encode, "segment": segment, "total": total}
    nothing = [None] * count
    return Series([0.02 * i for i in range(count)], nothing, nothing, milliseconds, (), True, True, 0.0, 0.0)


def state(at_s: float = 0.0, probe_ms: float = 1.0, **snapshot: Any) -> dict[str, Any]:
    """The device's state around a run."""
    return {"at_s": at_s, "snapshot": replace(parse_snapshot({}), **snapshot).to_dict(), "probe_ms": probe_ms}


def result(name: str = "model_320x640_fp32.tflite", **fields: Any) -> ArtefactResult:
    """One artefact's valid result."""
    facts = {
        "engine": "litert",
        "threads": 1,
        "driver": "mobileinst",
        "input_size": [320, 640],
        "keyframe_interval": 3,
    }
    defaults: dict[str, Any] = {
        "facts": facts,
        "load_ms": 12.0,
        "first_ms": {"encode": 30.0, "segment": 3.0},
        "parity": [],
        "workloads": {"entries": entries(), "frames": frames()},
        "before": state(),
        "after": state(3.0),
    }
    return ArtefactResult(name, "0" * 64, **{**defaults, **fields})


def report(*artefacts: ArtefactResult, **setup: Any) -> LatencyReport:
    """One run over some artefacts."""
    defaults: dict[str, Any] = {
        "cpus_asked": "prime",
        "cpus": [7],
        "threads": 1,
        "protocol": PROTOCOLS["quick"].to_dict(),
        "driver_options": {"keyframe_interval": 3},
        "source": {"name": "clip.mp4", "sha256": "1" * 64},
    }
    return LatencyReport(
        created="2026-01-01T00:00:00+00:00",
        harness={"version": "0.1.0", "worker_sha256": "2" * 64},
        command=["mobilevis", "bench", "latency"],
        device={"address": "ssh:board", "clusters": [{"cpus": [7], "max_khz": 2_400_000, "capacity": 1024}]},
        setup=Setup(**{**defaults, **setup}),
        artefacts=artefacts or (result(),),
        cpus_allowed=[7],
    )
