"""The state of the device around a measurement: clocks, heat, battery, load, and who else used the CPU.

Runs on the device with the standard library only, and on the host for ``mobilevis devices show``. Parsers are
pure functions of a mapping from path to text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from mobilevis.benchmarks.latency.worker.cpus import CPU_ROOT, whole_number

MAX_FILE_BYTES = 1 << 18
FREQUENCY_GLOB = f"{CPU_ROOT}/cpu[0-9]*/cpufreq/scaling_cur_freq"
TEMPERATURE_GLOBS = (
    "/sys/class/thermal/thermal_zone[0-9]*/type",
    "/sys/class/thermal/thermal_zone[0-9]*/temp",
)
SNAPSHOT_GLOBS = (
    FREQUENCY_GLOB,
    *TEMPERATURE_GLOBS,
    f"{CPU_ROOT}/cpu[0-9]*/cpufreq/scaling_governor",
    "/sys/class/power_supply/*/type",
    "/sys/class/power_supply/*/status",
    "/sys/class/power_supply/*/capacity",
    "/sys/class/power_supply/*/temp",
    "/proc/loadavg",
    "/proc/stat",
)
IDENTITY_GLOBS = (
    "/proc/device-tree/model",
    "/sys/class/dmi/id/product_name",
    "/proc/cpuinfo",
    "/proc/meminfo",
)
ANDROID_PROPERTIES = ("ro.product.model", "ro.soc.model", "ro.build.fingerprint")


@dataclass(frozen=True)
class Battery:
    """Charge in percent, the kernel's or Android's word for the status, temperature in °C."""

    percent: Optional[int] = None
    status: Optional[str] = None
    temperature_c: Optional[float] = None


@dataclass(frozen=True)
class Snapshot:
    """What the device says of itself at one moment. CPU numbers are strings, as JSON wants keys.

    Attributes:
        frequencies_khz: CPU → current frequency; empty where the kernel shows none.
        governors: CPU → cpufreq governor.
        temperatures_c: thermal zone → °C.
        thermal_status: Android's thermalservice, 0 none … 6 shutdown; None elsewhere.
        battery: None where there is none.
        load_average: over 1, 5 and 15 minutes; empty where it cannot be read.
        cpu_ticks: CPU → (ticks not idle, all ticks) since boot; stolen ticks count as not idle.
    """

    frequencies_khz: Mapping[str, int]
    governors: Mapping[str, str]
    temperatures_c: Mapping[str, float]
    thermal_status: Optional[int]
    battery: Optional[Battery]
    load_average: tuple[float, ...]
    cpu_ticks: Mapping[str, tuple[int, int]]

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)


def read_local_files(globs: Iterable[str]) -> dict[str, str]:
    """Path → text of the files that match and can be read; large files are cut at MAX_FILE_BYTES."""
    files = {}
    for pattern in globs:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            try:
                with path.open("rb") as stream:
                    files[str(path)] = stream.read(MAX_FILE_BYTES).decode("utf-8", "replace")
            except OSError:  # thermal zones of switched-off blocks fail with EAGAIN; others need root
                continue
    return files


def parse_snapshot(files: Mapping[str, str], thermalservice: str = "", battery: str = "") -> Snapshot:
    """A snapshot from files matching SNAPSHOT_GLOBS and, on Android, two ``dumpsys`` texts."""
    load = re.match(r"(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\b", files.get("/proc/loadavg", ""))
    temperatures = parse_temperatures(files)
    status, android_temperatures = parse_thermalservice(thermalservice)
    return Snapshot(
        frequencies_khz={
            cpu: khz
            for cpu, text in _per_cpu(files, "scaling_cur_freq")
            if (khz := whole_number(text)) is not None
        },
        governors=dict(_per_cpu(files, "scaling_governor")),
        temperatures_c=temperatures or android_temperatures,
        thermal_status=status,
        battery=parse_battery_files(files) or parse_battery_dump(battery),
        load_average=tuple(float(value) for value in load.groups()) if load else (),
        cpu_ticks=parse_cpu_ticks(files.get("/proc/stat", "")),
    )


def select_reading(files: Mapping[str, str], cpus: Sequence[int]) -> dict[str, Any]:
    """Temperatures in °C and some CPUs' frequencies in kHz, of files matching their globs."""
    snapshot = parse_snapshot(files)
    pinned = {cpu: khz for cpu, khz in snapshot.frequencies_khz.items() if int(cpu) in cpus}
    return {"temperatures_c": snapshot.temperatures_c, "frequencies_khz": pinned}


def _per_cpu(files: Mapping[str, str], name: str) -> list[tuple[str, str]]:
    found = []
    for path, text in files.items():
        match = re.fullmatch(rf"{CPU_ROOT}/cpu(\d{{1,4}})/cpufreq/{name}", path)
        if match:
            found.append((int(match[1]), text.strip()))
    return [(str(cpu), text) for cpu, text in sorted(found)]


def parse_temperatures(files: Mapping[str, str]) -> dict[str, float]:
    """Thermal zone → °C; zones of the same type are told apart by their number.

    The unit is millidegrees by the kernel's documentation; values of up to 200 can only be whole degrees, as
    some vendors' drivers give. Readings outside -30…150 °C are sensors that are switched off.
    """
    readings: dict[str, float] = {}
    for path, text in files.items():
        match = re.fullmatch(r"/sys/class/thermal/thermal_zone(\d+)/temp", path)
        value = whole_number(text)
        if not match or value is None:
            continue
        degrees = value if abs(value) <= 200 else value / 1000
        name = files.get(path[: -len("temp")] + "type", "").strip() or f"zone{match[1]}"
        if -30 <= degrees <= 150 and value != 0:
            readings[f"{name}#{match[1]}" if name in readings else name] = float(degrees)
    return readings


def parse_thermalservice(text: str) -> tuple[Optional[int], dict[str, float]]:
    """Status and temperatures of ``dumpsys thermalservice``: (None, {}) where the text holds none."""
    status = re.search(r"Thermal Status:\s*(\d)", text)
    current = text.split("Current temperatures from HAL:")[-1].split("Current cooling devices")[0]
    temperatures = {
        match[2]: float(match[1])
        for match in re.finditer(r"Temperature\{mValue=(-?\d+(?:\.\d+)?),[^}]*?mName=([^,}]+)", current)
        if -30 <= float(match[1]) <= 150
    }
    return (int(status[1]) if status else None), temperatures


def parse_battery_files(files: Mapping[str, str]) -> Optional[Battery]:
    """The first power supply of type Battery; temperatures there are in 0.1 °C."""
    for path, text in files.items():
        if (
            path.startswith("/sys/class/power_supply/")
            and path.endswith("/type")
            and text.strip() == "Battery"
        ):
            root = path[: -len("type")]
            temperature = whole_number(files.get(root + "temp", ""))
            return Battery(
                percent=whole_number(files.get(root + "capacity", "")),
                status=files.get(root + "status", "").strip() or None,
                temperature_c=None if temperature is None else temperature / 10,
            )
    return None


def parse_battery_dump(text: str) -> Optional[Battery]:
    """The battery of ``dumpsys battery``; None where the text is no such dump."""
    values = dict(re.findall(r"^\s*(level|status|temperature):\s*(-?\d{1,18})\s*$", text, re.MULTILINE))
    if "level" not in values:
        return None
    words = {"1": "Unknown", "2": "Charging", "3": "Discharging", "4": "Not charging", "5": "Full"}
    temperature = int(values["temperature"]) / 10 if "temperature" in values else None
    return Battery(int(values["level"]), words.get(values.get("status", "")), temperature)


def parse_cpu_ticks(text: str) -> dict[str, tuple[int, int]]:
    """CPU → (ticks not idle, all ticks) of /proc/stat; idle is idle plus iowait."""
    ticks = {}
    for match in re.finditer(r"^cpu(\d+) ([\d ]+)$", text, re.MULTILINE):
        values = [whole_number(value) or 0 for value in match[2].split()][
            :8
        ]  # guest time is within user time
        total = sum(values)
        ticks[match[1]] = (total - sum(values[3:5]), total)
    return ticks


def parse_identity(files: Mapping[str, str], properties: Mapping[str, str]) -> dict[str, str]:
    """What the device is: model, CPU, memory, and Android's properties where it has them."""
    identity: dict[str, str] = {}
    for path in IDENTITY_GLOBS[:2]:
        if files.get(path, "").strip("\0 \n"):
            identity.setdefault("model", files[path].strip("\0 \n"))
    cpu = re.search(r"^(?:model name|Hardware)\s*:\s*(.+)$", files.get("/proc/cpuinfo", ""), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d{1,18}) kB", files.get("/proc/meminfo", ""), re.MULTILINE)
    if cpu:
        identity["cpu"] = cpu[1].strip()
    if memory:
        identity["memory_mib"] = str(int(memory[1]) // 1024)
    return {**identity, **{name: value for name, value in properties.items() if value}}
