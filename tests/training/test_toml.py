"""Hostile TOML ends in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.training.toml import MAX_BYTES, apply_override, read_toml

HOSTILE = {
    "deep lists": "[" * 100_000,
    "deep tables": "{a = " * 10_000,
    "a number of 5,000 digits": "9" * 5000,
    "nothing": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_value_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"a = {text}")
    with pytest.raises(UserError, match="cannot read the configuration"):
        read_toml(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{a.b = " * 30 + "1" + "}" * 30])
def test_a_hostile_option_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="cannot read the option"):
        apply_override({}, f"a.b={text}")


@pytest.mark.parametrize("text", ["a." * 40_000 + "a = 1", "[" + "a." * 40_000 + "a]"])
def test_a_key_of_40_000_parts_takes_no_minute(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(UserError, match="too many dots"):
        read_toml(path)


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    """A device has the size 0 and no end; a pipe without a writer would wait for one."""
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "link.toml").symlink_to("/dev/zero")
    for path in (Path("/dev/zero"), tmp_path / "pipe.toml", tmp_path / "link.toml"):
        with pytest.raises(UserError, match="no regular file"):
            read_toml(path)


def test_a_large_file_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than 256 KiB"):
        read_toml(tmp_path / "large.toml")


def test_an_option_of_many_tables_is_refused() -> None:
    with pytest.raises(UserError, match="cannot read the option"):
        apply_override({}, "a." * 50 + "a=1")
