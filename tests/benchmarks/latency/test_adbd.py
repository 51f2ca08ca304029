"""The adb transport against a real adbd: Debian's, in a network namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from tests.arm.userland import Apt, run_tool

from .adbd_board import ROOT, find_obstacle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def adbd(pytestconfig: pytest.Config) -> Path:
    """Kept between test runs: 20 MB come from Debian's mirror."""
    reason = find_obstacle("-rn")
    if reason:
        pytest.skip(reason)
    folder = pytestconfig.cache.mkdir("adbd")
    root = folder / "root"
    if not root.exists():
        try:
            apt = Apt(folder / "apt")
            apt.update()
            for deb in apt.download("amd64", ("adbd",), with_dependencies=True):
                run_tool(["dpkg-deb", "-x", str(deb), str(root)])
        except UserError as error:
            pytest.skip(f"adbd cannot be had: {error}")
    return root


def run_scenario(adbd: Path, artefact: Path, tmp_path: Path, scenario: str) -> dict[str, object]:
    (tmp_path / "device").mkdir()
    script = ["-m", "tests.benchmarks.latency.adbd_board", adbd, artefact, tmp_path, scenario]
    command = ["unshare", "-rn", sys.executable, *script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_over_a_real_adbd_measures_and_leaves_nothing(adbd, artefact, tmp_path):
    outcome = run_scenario(adbd, artefact, tmp_path, "good")
    assert outcome["error"] is None
    assert outcome["address"] == "adb:127.0.0.1:6555"
    assert outcome["samples"] >= 20
    assert list((tmp_path / "device").iterdir()) == []


def test_adb_ends_with_0_when_its_device_dies_and_the_harness_notices(adbd, artefact, tmp_path):
    outcome = run_scenario(adbd, artefact, tmp_path, "lost")
    assert "device lost" in outcome["error"]
    assert outcome["samples"] > 0
    assert outcome["valid"] is False
    deadline = time.monotonic() + 10
    while list((tmp_path / "device").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert list((tmp_path / "device").iterdir()) == []
