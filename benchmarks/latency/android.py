"""The Kotlin worker of ``android_demo/worker``, for phones: no Python there, no root, no installed app.

``app_process`` starts it from a folder of the shell's own. It reads the device's files and hands them on as
they are; what they mean is said here, by the parsers that the Python worker uses on the device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Optional

from mobilevis.benchmarks.latency.report.assemble import Event
from mobilevis.benchmarks.latency.session import JOB, Worker
from mobilevis.benchmarks.latency.transports.base import Transport
from mobilevis.benchmarks.latency.worker.cpus import cpus_to_mask
from mobilevis.benchmarks.latency.worker.environment import (
    ANDROID_PROPERTIES,
    FREQUENCY_GLOB,
    IDENTITY_GLOBS,
    SNAPSHOT_GLOBS,
    TEMPERATURE_GLOBS,
    parse_cpu_ticks,
    parse_identity,
    parse_snapshot,
    select_reading,
)
from mobilevis.benchmarks.latency.worker.job import Job
from mobilevis.benchmarks.latency.worker.memory_pass import resident_mib
from mobilevis.benchmarks.latency.worker.usage import Usage, compare_usage, parse_process
from mobilevis.runtime.errors import UserError

BUILD = "mvn -f android_demo package -pl worker -am -DskipTests"
JAR = "mobilevis-worker.jar"
MAIN = "org.mobilevis.worker.Worker"
ABIS = {"aarch64": "arm64-v8a", "x86_64": "x86_64"}  # uname -m → Android's name
TICKS_A_SECOND = 100  # USER_HZ, the same on every Android
MAX_CLIP_FRAMES = 64  # 88 MB of 1280x720

READINGS: Mapping[str, Mapping[str, Any]] = {
    "identity": {
        "files": (*IDENTITY_GLOBS, "/proc/version"),
        "tools": {name: ("getprop", name) for name in ANDROID_PROPERTIES},
    },
    "snapshot": {
        "files": SNAPSHOT_GLOBS,
        "tools": {"thermalservice": ("dumpsys", "thermalservice"), "battery": ("dumpsys", "battery")},
    },
    "reading": {"files": (FREQUENCY_GLOB, *TEMPERATURE_GLOBS), "tools": {}},
    "usage": {"files": ("/proc/stat", "/proc/[0-9]*/stat"), "tools": {}},
    "memory": {"files": ("/proc/self/status",), "tools": {}},
}


def find_build() -> Path:
    """The folder that Maven builds: the jar, and ``lib/ABI/*.so``."""
    room = Path(import_module("mobilevis.benchmarks").__path__[0])
    return room.resolve().parent / "android_demo" / "worker" / "target" / "worker"


def find_obstacle(transport: Transport) -> Optional[str]:
    """Why the Android worker cannot run on a device, or None."""
    if transport.run(["sh", "-c", "command -v app_process"]).status != 0:
        return "no app_process there, it is not Android"
    if not (find_build() / JAR).is_file():
        return f"not built; build it with: {BUILD}"
    return None


def make_android_worker(transport: Transport, folder: Path) -> Worker:
    """The worker for this device.

    Args:
        transport: the device.
        folder: here, where a clip's decoded frames may lie.

    Raises:
        UserError: it was not built, or not for such a device.
    """
    built = find_build()
    if not (built / JAR).is_file():
        raise UserError("the Android worker is not built", built / JAR, f"build it with: {BUILD}")
    machine = transport.run(["uname", "-m"]).stdout.strip()
    if machine not in ABIS:
        raise UserError(
            f"no engine was built for {machine or 'an unknown machine'}",
            transport.address,
            f"known are {', '.join(ABIS)}",
        )
    seen: dict[str, Event] = {}
    return Worker(
        file=built / JAR,
        launch=_launch,
        uploads={path.name: path for path in sorted((built / "lib" / ABIS[machine]).glob("*.so"))},
        write_job=lambda job: json.dumps({**json.loads(job.to_json()), "readings": READINGS}),
        interpret=lambda event: interpret(event, seen),
        adapt_source=lambda clip: decode_clip(clip, folder),
    )


def _launch(transport: Transport, folder: str, job: Job) -> Sequence[str]:
    return [
        "env",
        f"CLASSPATH={folder}/{JAR}",
        f"LD_LIBRARY_PATH={folder}",
        "taskset",
        f"{cpus_to_mask(job.cpus):x}",
        "app_process",
        f"-Djava.library.path={folder}",
        "/",
        MAIN,
        f"{folder}/{JOB}",
    ]


def interpret(event: Event, seen: dict[str, Event]) -> Event:
    """An event of the Kotlin worker as the Python worker would have written it.

    Args:
        event: with the device's files under ``raw``, if it has any.
        seen: the ``start`` event, for those that follow.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: ``raw`` is not what was asked for.
    """
    if event["event"] == "start":
        seen["start"] = event
    if "raw" not in event:
        return event
    raw, facts = event["raw"], {name: value for name, value in event.items() if name != "raw"}
    if event["event"] == "device":
        return {**facts, **_identify(raw)}
    if event["event"] in ("before", "after"):
        tools = raw["tools"]
        snapshot = parse_snapshot(raw["files"], tools["thermalservice"], tools["battery"])
        return {**facts, "snapshot": json.loads(json.dumps(snapshot.to_dict()))}  # lists, as in a journal
    start = seen["start"]
    if event["event"] == "reading":
        return {**facts, **select_reading(raw["files"], start["cpus_allowed"])}
    if event["event"] == "memory":
        before, loaded, peak = (
            resident_mib(raw[when]["files"]["/proc/self/status"]) for when in ("before", "loaded", "peak")
        )
        return {**facts, "before_mib": before[0], "loaded_mib": loaded[0], "peak_mib": peak[1]}
    before_usage, after_usage = _usage(raw["before"]), _usage(raw["after"])
    used = compare_usage(start["cpus_allowed"], before_usage, after_usage, start["pid"], TICKS_A_SECOND)
    return {**facts, **used}


def _identify(raw: Mapping[str, Any]) -> dict[str, str]:
    properties = {name: str(text).strip() for name, text in raw["tools"].items()}
    kernel = " ".join(raw["files"].get("/proc/version", "").split()[:3:2])  # "Linux version 5.10.1 …"
    return {"kernel": kernel, **parse_identity(raw["files"], properties)}


def _usage(raw: Mapping[str, Any]) -> Usage:
    files = raw["files"]
    processes = dict(
        parse_process(path, text) for path, text in files.items() if path != "/proc/stat" and ")" in text
    )
    return Usage(processes, parse_cpu_ticks(files.get("/proc/stat", "")), raw["own_s"], raw["at_s"])


def decode_clip(clip: Path, folder: Path) -> tuple[str, Path]:
    """The first frames of a clip as a camera gives them: I420 in full range, one after the other.

    Returns:
        A name that says the frames' size, and the file.

    Raises:
        UserError: the clip cannot be read.
    """
    import cv2

    from mobilevis.runtime.sources import open_source

    target = folder / "frames.i420"
    height = width = 0
    with target.open("wb") as out:
        for index, frame in enumerate(open_source(clip)):
            if index == MAX_CLIP_FRAMES:
                break
            height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
            luma, red, blue = cv2.split(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2YCrCb))
            half = (width // 2, height // 2)
            out.write(luma.tobytes())
            out.write(cv2.resize(blue, half, interpolation=cv2.INTER_AREA).tobytes())
            out.write(cv2.resize(red, half, interpolation=cv2.INTER_AREA).tobytes())
    return f"source_{height}x{width}.i420", target
