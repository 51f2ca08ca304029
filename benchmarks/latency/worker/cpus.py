"""Which cores: clusters of a device's CPUs and the masks that name them, from the device's own sysfs.

Nothing here reads a file: a sysfs tree is a mapping from path to text, as every transport's ``read`` returns
it, so that a recorded tree and a live device go through the same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Optional

from mobilevis.runtime.errors import UserError

CPU_ROOT = "/sys/devices/system/cpu"
TOPOLOGY_GLOBS = (
    f"{CPU_ROOT}/online",
    f"{CPU_ROOT}/cpu[0-9]*/cpu_capacity",
    f"{CPU_ROOT}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    f"{CPU_ROOT}/cpu[0-9]*/cpufreq/related_cpus",
)
MAX_CPUS = 1024


@dataclass(frozen=True)
class Cluster:
    """CPUs that are alike.

    Attributes:
        cpus: ascending CPU numbers.
        max_khz: highest frequency in kHz; None where the kernel exposes no cpufreq.
        capacity: the kernel's ``cpu_capacity``, 1024 for the fastest CPU; None where it has none.
    """

    cpus: tuple[int, ...]
    max_khz: Optional[int] = None
    capacity: Optional[int] = None


@dataclass(frozen=True)
class Topology:
    """The online CPUs of a device, slowest cluster first."""

    clusters: tuple[Cluster, ...]

    @property
    def cpus(self) -> tuple[int, ...]:
        """All online CPUs, ascending."""
        return tuple(sorted(cpu for cluster in self.clusters for cpu in cluster.cpus))


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The CPUs of a kernel list such as ``0-3,7`` or ``0 1 2 3``, ascending.

    Raises:
        ValueError: not such a list, or a CPU number of MAX_CPUS or more.
    """
    cpus: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)
        if match is None:
            raise ValueError(f"{text.strip()!r} is not a list of CPUs such as 4-7 or 0,2")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < MAX_CPUS:
            raise ValueError(f"{part} is not a range of CPU numbers below {MAX_CPUS}")
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def mask_to_cpus(mask: int) -> tuple[int, ...]:
    """The CPUs of an affinity mask, bit i for CPU i."""
    return tuple(cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1)


def cpus_to_mask(cpus: Iterable[int]) -> int:
    """The affinity mask of some CPUs, bit i for CPU i."""
    return sum(1 << cpu for cpu in set(cpus))


def parse_topology(files: Mapping[str, str]) -> Topology:
    """Group the online CPUs by capacity and highest frequency.

    Capacity ranks first: the kernel folds the microarchitecture into it, so an in-order core with a high
    clock stays behind an out-of-order core with a lower one.

    Args:
        files: path → text for TOPOLOGY_GLOBS, of whatever the device lets one read.

    Raises:
        UserError: the device shows no CPU at all, or a list of them that is none.
    """
    if f"{CPU_ROOT}/online" not in files:
        raise UserError("the device shows no CPUs", f"{CPU_ROOT}/online", "run on Linux or Android")
    try:
        online = parse_cpu_list(files[f"{CPU_ROOT}/online"])
    except ValueError as error:
        raise UserError(str(error), f"{CPU_ROOT}/online", "check the device") from error
    kinds: dict[tuple[int, int], list[int]] = {}
    for cpu in online:
        kind = _number(files, f"cpu{cpu}/cpu_capacity"), _max_khz(files, cpu)
        kinds.setdefault(kind, []).append(cpu)
    return Topology(
        tuple(
            Cluster(tuple(cpus), max_khz or None, capacity or None)
            for (capacity, max_khz), cpus in sorted(kinds.items())
        )
    )


def whole_number(text: str) -> Optional[int]:
    """The number that a file of the kernel holds; None where it holds something else."""
    return int(text) if re.fullmatch(r"\s*-?\d{1,18}\s*", text) else None


def _number(files: Mapping[str, str], name: str) -> int:
    return whole_number(files.get(f"{CPU_ROOT}/{name}", "")) or 0


def _max_khz(files: Mapping[str, str], cpu: int) -> int:
    """Highest frequency of a CPU; some kernels show a policy's files under its first CPU only."""
    own = _number(files, f"cpu{cpu}/cpufreq/cpuinfo_max_freq")
    if own:
        return own
    for path, text in files.items():
        match = re.fullmatch(rf"{CPU_ROOT}/cpu(\d+)/cpufreq/related_cpus", path)
        if match and cpu in _parse_siblings(text):
            return _number(files, f"cpu{match[1]}/cpufreq/cpuinfo_max_freq")
    return 0


def _parse_siblings(text: str) -> tuple[int, ...]:
    try:
        return parse_cpu_list(text)
    except ValueError:  # of a CPU that is switched off, or no list at all
        return ()


def name_masks(topology: Topology) -> dict[str, tuple[int, ...]]:
    """The names that this device's clusters give a meaning, and their CPUs.

    ``prime`` is the fastest cluster and ``little`` the slowest, ``gold`` what lies between, ``big`` all but
    ``little``. Where all CPUs are alike there is no ``little``; with two clusters there is no ``gold``.
    """
    clusters = topology.clusters
    names = {"prime": clusters[-1].cpus, "all": topology.cpus}
    if len(clusters) == 1:
        return {**names, "big": topology.cpus}
    names["little"] = clusters[0].cpus
    names["big"] = tuple(sorted(cpu for cluster in clusters[1:] for cpu in cluster.cpus))
    if len(clusters) > 2:
        names["gold"] = tuple(sorted(cpu for cluster in clusters[1:-1] for cpu in cluster.cpus))
    return names


def resolve_cpus(text: str, topology: Topology, threads: int = 1) -> tuple[int, ...]:
    """The CPUs that ``--cpus`` asks for on this device.

    Args:
        text: a name (prime, big, gold, little, all), a hexadecimal mask such as ``0x80`` or a list such as
            ``4-7`` or ``0,2``.
        topology: the device's.
        threads: the threads that must find a core each.

    Raises:
        UserError: an unknown name, a name without meaning on this device, a CPU that is not online, or
            fewer cores than threads.
    """
    names = name_masks(topology)
    known = f"use one of {', '.join(sorted(names))}, a mask such as 0x80 or a list such as 4-7"
    if text in names:
        cpus = names[text]
    elif text in ("gold", "little"):
        kinds = len(topology.clusters)
        raise UserError(f"--cpus {text} means nothing on a device with {kinds} kind(s) of CPU", fix=known)
    elif re.fullmatch(r"0[xX][0-9a-fA-F]{1,256}", text):
        cpus = mask_to_cpus(int(text, 16))
    else:
        try:
            cpus = parse_cpu_list(text)
        except ValueError as error:
            raise UserError(f"--cpus {text} is not known", fix=known) from error
    absent = sorted(set(cpus) - set(topology.cpus))
    if absent or not cpus:
        raise UserError(
            f"--cpus {text} names CPUs {absent} that are not online" if absent else f"--cpus {text} is empty",
            fix=f"online: {format_cpus(topology.cpus)}",
        )
    if threads > len(cpus):
        raise UserError(
            f"{threads} threads on {len(cpus)} core(s) ({text})", fix="take more cores or fewer threads"
        )
    return cpus


def format_cpus(cpus: Iterable[int]) -> str:
    """The kernel's list notation, such as ``0-3,7``."""
    ranges: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
