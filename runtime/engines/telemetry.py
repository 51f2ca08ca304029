"""What engines would send home."""

from __future__ import annotations

import os


def switch_off_telemetry() -> None:
    """Keep ONNX Runtime to itself; before its first import in a process.

    From 1.29 its import makes a device id and a database of events below the user's home, for Microsoft's
    collector: ``disable_telemetry_events`` comes too late for those
    (https://github.com/microsoft/onnxruntime/pull/27379).
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
