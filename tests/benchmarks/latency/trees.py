"""Sysfs trees of known topologies: written from published figures, not recorded from the devices."""

from __future__ import annotations

CPU = "/sys/devices/system/cpu"


def cluster(cpus: range, max_khz: int, capacity: int | None = None) -> dict[str, str]:
    """The files of CPUs that share a frequency policy."""
    files = {}
    for cpu in cpus:
        files[f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq"] = f"{max_khz}\n"
        files[f"{CPU}/cpu{cpu}/cpufreq/related_cpus"] = " ".join(map(str, cpus)) + "\n"
        if capacity is not None:
            files[f"{CPU}/cpu{cpu}/cpu_capacity"] = f"{capacity}\n"
    return files


# Kryo 670: one A78 at 2.4 GHz, three at 2.2, four A55 at 1.9. No capacities: those are not published.
SNAPDRAGON_778G = {
    f"{CPU}/online": "0-7\n",
    **cluster(range(4), 1_900_000),
    **cluster(range(4, 7), 2_200_000),
    **cluster(range(7, 8), 2_400_000),
}
# Google Tensor: two X1 at 2.80 GHz, two A76 at 2.25, four A55 at 1.80.
PIXEL_6 = {
    f"{CPU}/online": "0-7\n",
    **cluster(range(4), 1_800_000),
    **cluster(range(4, 6), 2_250_000),
    **cluster(range(6, 8), 2_800_000),
}
# BCM2711: four A72 at 1.5 GHz.
RASPBERRY_PI_4 = {f"{CPU}/online": "0-3\n", **cluster(range(4), 1_500_000)}
