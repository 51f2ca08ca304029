from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.worker.environment import (
    SNAPSHOT_GLOBS,
    Battery,
    parse_battery_dump,
    parse_cpu_ticks,
    parse_identity,
    parse_snapshot,
    parse_temperatures,
    parse_thermalservice,
    read_local_files,
)
from tests.benchmarks.latency.trees import CPU

ZONE = "/sys/class/thermal/thermal_zone"
POWER = "/sys/class/power_supply"
# The layout of Android 12's `dumpsys thermalservice`, with made-up values.
THERMALSERVICE = """\
IsStatusOverride: false
Thermal Status: 1
Cached temperatures:
\tTemperature{mValue=99.9, mType=0, mName=stale, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=41.5, mType=0, mName=CPU0, mStatus=0}
\tTemperature{mValue=-273.0, mType=3, mName=skin, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
"""


def test_zones_give_degrees_whatever_their_unit():
    files = {
        f"{ZONE}0/type": "cpu-thermal\n",
        f"{ZONE}0/temp": "48250\n",
        f"{ZONE}1/type": "gpu\n",
        f"{ZONE}1/temp": "47\n",
    }
    assert parse_temperatures(files) == {"cpu-thermal": 48.25, "gpu": 47.0}


def test_zones_of_one_type_are_told_apart_and_dead_ones_dropped():
    files = {
        f"{ZONE}0/type": "cpu",
        f"{ZONE}0/temp": "40000",
        f"{ZONE}7/type": "cpu",
        f"{ZONE}7/temp": "41000",
        f"{ZONE}8/type": "modem",
        f"{ZONE}8/temp": "-273000",
        f"{ZONE}9/temp": "",
    }
    assert parse_temperatures(files) == {"cpu": 40.0, "cpu#7": 41.0}


def test_thermalservice_gives_the_status_and_the_current_temperatures():
    assert parse_thermalservice(THERMALSERVICE) == (1, {"CPU0": 41.5})
    assert parse_thermalservice("Can't find service: thermalservice") == (None, {})


def test_the_battery_comes_from_sysfs_or_from_dumpsys():
    files = {
        f"{POWER}/usb/type": "USB\n",
        f"{POWER}/BAT0/type": "Battery\n",
        f"{POWER}/BAT0/capacity": "81\n",
        f"{POWER}/BAT0/status": "Discharging\n",
        f"{POWER}/BAT0/temp": "312\n",
    }
    assert parse_snapshot(files).battery == Battery(81, "Discharging", 31.2)
    dump = "Current Battery Service state:\n  status: 2\n  level: 64\n  temperature: 298\n"
    assert parse_snapshot({}, battery=dump).battery == Battery(64, "Charging", 29.8)
    assert parse_battery_dump("no such service") is None


def test_ticks_count_stolen_time_as_busy_and_guests_once():
    text = "cpu  9 9 9\ncpu0 10 1 5 100 20 2 3 4 7 0\ncpu1 0 0 0 50 0 0 0 0 0 0\nintr 1\n"
    assert parse_cpu_ticks(text) == {"0": (25, 145), "1": (0, 50)}


def test_a_snapshot_holds_what_the_device_shows():
    snapshot = parse_snapshot(
        {
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1804800\n",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "schedutil\n",
            "/proc/loadavg": "0.50 0.40 0.30 1/200 1234\n",
        },
        THERMALSERVICE,
    )
    assert snapshot.frequencies_khz == {"0": 1804800}
    assert snapshot.governors == {"0": "schedutil"}
    assert snapshot.load_average == (0.5, 0.4, 0.3)
    assert snapshot.thermal_status == 1
    assert snapshot.temperatures_c == {"CPU0": 41.5}


def test_a_device_that_shows_nothing_gives_an_empty_snapshot():
    snapshot = parse_snapshot({})
    assert not snapshot.frequencies_khz
    assert not snapshot.temperatures_c
    assert snapshot.battery is None
    assert snapshot.thermal_status is None


def test_this_machine_has_a_load_and_ticks():
    snapshot = parse_snapshot(read_local_files(SNAPSHOT_GLOBS))
    assert len(snapshot.load_average) == 3
    assert snapshot.cpu_ticks


def test_large_and_unreadable_files_do_no_harm(tmp_path: Path):
    (tmp_path / "large").write_text("x" * (1 << 20))
    (tmp_path / "folder").mkdir()
    files = read_local_files([f"{tmp_path}/*", f"{tmp_path}/absent"])
    assert {Path(path).name: len(text) for path, text in files.items()} == {"large": 1 << 18}


def test_a_device_says_what_it_is():
    files = {
        "/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "/proc/cpuinfo": "processor\t: 0\nHardware\t: BCM2835\n",
        "/proc/meminfo": "MemTotal:        3884288 kB\n",
    }
    assert parse_identity(files, {"ro.soc.model": ""}) == {
        "model": "Raspberry Pi 4 Model B Rev 1.4",
        "cpu": "BCM2835",
        "memory_mib": "3793",
    }


@pytest.mark.parametrize("text", ["²", "--5", "1.2.3", "x", "9" * 5000])
def test_what_is_no_number_is_no_reading(text):
    battery, cpu = "/sys/class/power_supply/b", "/sys/devices/system/cpu/cpu0/cpufreq"
    files = {
        f"{battery}/type": "Battery",
        f"{battery}/capacity": text,
        f"{battery}/temp": text,
        f"{cpu}/scaling_cur_freq": text,
        "/proc/loadavg": text,
    }
    snapshot = parse_snapshot(files, f"Temperature{{mValue={text}, mName=CPU}}", f"level: {text}")
    assert snapshot.load_average == ()
    assert snapshot.frequencies_khz == {}
    assert (snapshot.battery.percent, snapshot.battery.temperature_c) == (None, None)
