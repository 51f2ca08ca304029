"""What a device answers: journal lines, files of /proc and /sys, Android's dumps, adb's list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mobilevis.benchmarks.latency.report.assemble import assemble, parse_event
from mobilevis.benchmarks.latency.report.validity import judge
from mobilevis.benchmarks.latency.transports.adb import parse_devices
from mobilevis.benchmarks.latency.transports.base import FILE_MARK, parse_files
from mobilevis.benchmarks.latency.worker.cpus import name_masks, parse_topology
from mobilevis.benchmarks.latency.worker.environment import parse_identity, parse_snapshot
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from mobilevis.runtime.errors import UserError

from .conftest import Trial
from .mutations import HOSTILE_TEXTS, Random, mutate_json, mutate_text

pytestmark = pytest.mark.fuzz

SNAPSHOT = {"temperatures_c": {"cpu": 40}, "thermal_status": 0, "load_average": [0.1]}
STATE = {"at_s": 0.0, "snapshot": SNAPSHOT, "probe_ms": 1.0}
CLOCKS = {"temperatures_c": {"cpu": 45}, "frequencies_khz": {"0": 0}}
COLUMNS = {"at_s": [0.1, 0.2], "is_keyframe": [True, False], "instances": [1, 1]}
EVENTS: list[dict[str, Any]] = [
    {"event": "start", "pid": 77, "versions": {"python": "3.11"}, "cpus_allowed": [0]},
    {"event": "loaded", "target": 0, "engine": "litert", "threads": 1},
    {"event": "before", "targets": [0], "state": STATE, **STATE},
    {"event": "samples", "target": 0, "kind": "entries", **COLUMNS, "milliseconds": {"total": [1.0, 2.0]}},
    {
        "event": "reading",
        "targets": [0],
        "at_s": 1.0,
        "temperatures_c": {"cpu": 45},
        "frequencies_khz": {"0": 0},
    },
    {"event": "after", "targets": [0], "state": STATE, **STATE},
    {"event": "error", "what": "x", "file": "y", "fix": "z"},
    {"event": "end"},
]
CPU, ZONE, BATTERY = (
    "/sys/devices/system/cpu",
    "/sys/class/thermal/thermal_zone0",
    "/sys/class/power_supply/b",
)
FILES = {
    f"{CPU}/online": "0-3",
    f"{CPU}/cpu0/cpu_capacity": "1024",
    f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "2400000",
    f"{CPU}/cpu0/cpufreq/related_cpus": "0 1",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1800000",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "schedutil",
    f"{ZONE}/temp": "45000",
    f"{ZONE}/type": "cpu",
    f"{BATTERY}/type": "Battery",
    f"{BATTERY}/capacity": "80",
    f"{BATTERY}/temp": "301",
    "/proc/loadavg": "0.50 0.40 0.30 1/200 999",
    "/proc/stat": "cpu0 1 2 3 4 5 6 7 8 9 10\n",
    "/proc/meminfo": "MemTotal:  4000000 kB",
    "/proc/cpuinfo": "model name : board\n",
}
THERMAL = "Thermal Status: 1\nCurrent temperatures from HAL:\nTemperature{mValue=41.5, mType=0, mName=CPU}"
DUMP = "  level: 80\n  status: 2\n  temperature: 301\n"
ADB = "List of devices attached\nemulator-5554 device product:x model:Pixel_8\n"


def test_a_journal_of_damaged_lines(chance: Random, trial: Trial) -> None:
    def read(lines: list[str]) -> None:
        (result,) = assemble([parse_event(line) for line in lines], [("a", "0", False)])
        judge(result, PROTOCOLS["quick"], {})

    for _ in range(400):
        lines = [json.dumps(event) for event in EVENTS]
        place = chance.randrange(len(lines))
        lines[place] = mutate_json(EVENTS[place], chance).decode("utf-8", "replace")
        trial.run(lines[place][:300], read, lines)


def test_files_of_a_damaged_kernel(chance: Random, trial: Trial) -> None:
    def read(files: dict[str, str], dump: str, thermal: str) -> None:
        parse_snapshot(files, thermal, dump)
        parse_identity(files, {})
        name_masks(parse_topology(files))

    for _ in range(400):
        files = dict(FILES)
        path = chance.choice(list(files))
        files[path] = chance.choice((mutate_text(files[path], chance), chance.choice(HOSTILE_TEXTS)))
        text = "".join(f"{FILE_MARK}{name}\n{content}\n\n" for name, content in files.items())
        dump, thermal = mutate_text(DUMP, chance), mutate_text(THERMAL, chance)
        trial.run(
            f"{path} {files[path][:60]!r} {dump[:60]!r} {thermal[:120]!r}",
            read,
            parse_files(text),
            dump,
            thermal,
        )


def test_a_damaged_list_of_adb(chance: Random, trial: Trial) -> None:
    for _ in range(100):
        text = mutate_text(ADB, chance)
        trial.run(text[:100], parse_devices, text)


def test_a_journal_that_is_whole_is_no_error() -> None:
    try:
        assemble([parse_event(json.dumps(event)) for event in EVENTS], [("a", "0", False)])
    except UserError as error:
        pytest.fail(str(error))
