from __future__ import annotations

import contextlib
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.benchmarks.latency.worker.cpus import (
    TOPOLOGY_GLOBS,
    cpus_to_mask,
    format_cpus,
    mask_to_cpus,
    name_masks,
    parse_cpu_list,
    parse_topology,
    resolve_cpus,
)
from mobilevis.benchmarks.latency.worker.environment import read_local_files
from mobilevis.runtime.errors import UserError
from tests.benchmarks.latency.trees import CPU, PIXEL_6, RASPBERRY_PI_4, SNAPDRAGON_778G, cluster

NAMES = [
    (SNAPDRAGON_778G, {"prime": 0x80, "gold": 0x70, "big": 0xF0, "little": 0x0F, "all": 0xFF}),
    (PIXEL_6, {"prime": 0xC0, "gold": 0x30, "big": 0xF0, "little": 0x0F, "all": 0xFF}),
    (RASPBERRY_PI_4, {"prime": 0x0F, "big": 0x0F, "all": 0x0F}),
]


@pytest.mark.parametrize(("tree", "masks"), NAMES, ids=["778G", "Pixel 6", "Raspberry Pi 4"])
def test_names_follow_the_clusters_of_the_device(tree, masks):
    names = name_masks(parse_topology(tree))
    assert {name: cpus_to_mask(cpus) for name, cpus in names.items()} == masks


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux's")
def test_all_names_the_cpus_that_this_machine_has_online():
    topology = parse_topology(read_local_files(TOPOLOGY_GLOBS))
    assert set(os.sched_getaffinity(0)) <= set(resolve_cpus("all", topology))


def test_capacity_outranks_the_clock():
    in_order = cluster(range(2), 2_000_000, capacity=300)
    out_of_order = cluster(range(2, 4), 1_800_000, capacity=1024)
    topology = parse_topology({f"{CPU}/online": "0-3", **in_order, **out_of_order})
    assert resolve_cpus("prime", topology) == (2, 3)


def test_a_policy_shown_under_its_first_cpu_only_counts_for_all_its_cpus():
    tree = {
        path: text for path, text in SNAPDRAGON_778G.items() if "/cpu5/" not in path and "/cpu6/" not in path
    }
    assert resolve_cpus("gold", parse_topology(tree)) == (4, 5, 6)


def test_an_offline_cpu_belongs_to_no_name():
    topology = parse_topology({**SNAPDRAGON_778G, f"{CPU}/online": "0-6"})
    assert resolve_cpus("prime", topology) == (4, 5, 6)


@pytest.mark.parametrize(
    ("text", "cpus"), [("0x80", (7,)), ("0XF0", (4, 5, 6, 7)), ("4-7", (4, 5, 6, 7)), ("0,2", (0, 2))]
)
def test_masks_and_lists_name_cpus(text, cpus):
    assert resolve_cpus(text, parse_topology(SNAPDRAGON_778G)) == cpus


@pytest.mark.parametrize(
    ("text", "threads", "message"),
    [
        ("medium", 1, "is not known: use one of all, big, gold, little, prime"),
        ("0x100", 1, "CPUs \\[8\\] that are not online"),
        ("0x0", 1, "is empty"),
        ("7-4", 1, "is not known"),
        ("prime", 2, "2 threads on 1 core"),
    ],
)
def test_cores_that_cannot_be_had_are_refused(text, threads, message):
    with pytest.raises(UserError, match=message):
        resolve_cpus(text, parse_topology(SNAPDRAGON_778G), threads)


def test_gold_means_nothing_where_all_cpus_are_alike():
    with pytest.raises(UserError, match="means nothing on a device with 1 kind"):
        resolve_cpus("gold", parse_topology(RASPBERRY_PI_4))


def test_a_device_without_sysfs_is_refused():
    with pytest.raises(UserError, match="shows no CPUs"):
        parse_topology({})


@given(st.sets(st.integers(0, 1023), min_size=1))
def test_lists_and_masks_hold_any_set_of_cpus(cpus):
    assert set(parse_cpu_list(format_cpus(cpus))) == cpus
    assert set(mask_to_cpus(cpus_to_mask(cpus))) == cpus


@given(st.text(max_size=12))
def test_a_hostile_list_is_parsed_or_refused(text):
    with contextlib.suppress(ValueError):
        assert all(0 <= cpu < 1024 for cpu in parse_cpu_list(text))


def test_a_list_of_cpus_that_is_none_names_the_file():
    with pytest.raises(UserError, match="cpu/online"):
        parse_topology({"/sys/devices/system/cpu/online": "0-x"})


def test_what_is_no_number_ranks_no_core():
    root = "/sys/devices/system/cpu"
    files = {
        f"{root}/online": "0",
        f"{root}/cpu0/cpu_capacity": "²",
        f"{root}/cpu0/cpufreq/related_cpus": "x",
    }
    assert parse_topology(files).cpus == (0,)
