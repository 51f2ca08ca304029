"""Files are read within a bound, in memory of their own size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.reading import read_bounded


@pytest.mark.parametrize("size", [0, 1, 70_000, 200_000])
def test_a_file_is_read_whole(tmp_path, size):
    (tmp_path / "x").write_bytes(b"x" * size)
    assert read_bounded(tmp_path / "x", 200_000) == b"x" * size


def test_a_file_without_a_size_is_read_whole():
    assert read_bounded(Path("/proc/self/status"), 1 << 20).startswith(b"Name:")


def test_one_byte_too_many_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 101)
    with pytest.raises(UserError, match="larger than"):
        read_bounded(tmp_path / "x", 100)


def test_a_small_file_takes_little_memory_whatever_the_bound(tmp_path):
    (tmp_path / "x").write_bytes(b"{}")
    tracemalloc.start()
    try:
        read_bounded(tmp_path / "x", 1 << 30)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
