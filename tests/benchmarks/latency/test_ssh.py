"""The ssh transport, end to end against a real sshd on a loopback port, with keys of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.bench import run_plan
from mobilevis.benchmarks.latency.devices import describe_device
from mobilevis.benchmarks.latency.transports.base import Access
from mobilevis.benchmarks.latency.transports.registry import list_addresses, open_device
from mobilevis.benchmarks.latency.transports.ssh import SshTransport
from mobilevis.runtime.errors import UserError

from .conftest import LONG, SHORT
from .sshd import SSHD, make_key, start_sshd
from .test_faults import CPU, check_salvaged, on_first_samples, plan

pytestmark = pytest.mark.skipif(SSHD is None, reason="OpenSSH's sshd is not installed")
Configs = dict[str, Path]


@dataclass
class Board:
    """A running sshd: client configurations by name, and the listener's process."""

    configs: Configs
    listener: subprocess.Popen[bytes]
    scratch: Path

    def transport(self, config: str = "good", **options: str) -> SshTransport:
        return SshTransport(
            "board",
            self.configs[config],
            **{"python": sys.executable, "scratch": str(self.scratch), **options},
        )

    def kill_sessions(self) -> None:
        """End every connection as a power cut would: the listener's children, without a word."""
        for pid in descendants(self.listener.pid):
            if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in [*descendants(child), child]]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Configs, subprocess.Popen[bytes]]]:
    folder = tmp_path_factory.mktemp("sshd")
    with start_sshd(folder) as server:
        other_key = make_key(folder / "other")
        configs = {
            "good": server.write_config("good"),
            "wrong key": server.write_config("wrong-key", key=other_key),
            "unknown host": server.write_config("unknown-host", known_hosts=folder / "empty"),
            "closed port": server.write_config("closed-port", port=1),
        }
        yield configs, server.process


@pytest.fixture
def board(sshd, tmp_path: Path) -> Board:
    configs, listener = sshd
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Board(configs, listener, scratch)


def wait_until_empty(folder: Path) -> list[Path]:
    """What is left once a worker that lost its host has had time to notice."""
    deadline = time.monotonic() + 10
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return list(folder.iterdir())


def test_a_run_over_ssh_measures_entries_and_frames_and_leaves_nothing(board, artefact, clip):
    options = {"source": clip, "driver_options": {"keyframe_interval": 3}}
    report, error = run_plan(board.transport(), plan(artefact, SHORT, **options))
    assert error is None
    (result,) = report.artefacts
    assert set(result.workloads) == {"entries", "frames"}
    assert report.cpus_allowed == [CPU]
    assert report.device["address"] == "ssh:board"
    assert list(board.scratch.iterdir()) == []


def test_names_with_blanks_and_quotes_survive_two_shells(board, artefact, tmp_path):
    odd = shutil.copytree(artefact, tmp_path / 'it\'s a "model"')
    report, error = run_plan(board.transport(), plan(odd, SHORT))
    assert error is None
    assert report.artefacts[0].workloads


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("closed port", "host unreachable: ssh: connect to host 127.0.0.1 port 1: Connection refused"),
        ("wrong key", "key refused: .*Permission denied"),
        ("unknown host", "host key not trusted: Host key verification failed"),
    ],
)
def test_a_board_out_of_reach_is_one_clear_line(board, artefact, config, words):
    with pytest.raises(UserError, match=words) as caught:
        run_plan(board.transport(config), plan(artefact))
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_unreachable(artefact):
    with pytest.raises(UserError, match="host unreachable: ssh: Could not resolve hostname"):
        run_plan(SshTransport("nobody@board.invalid", Path("/dev/null")), plan(artefact))


def test_a_host_lost_in_the_middle(board, artefact):
    cut = on_first_samples(lambda pid: board.kill_sessions())
    report, error = run_plan(board.transport(), plan(artefact, LONG), cut)
    assert "host lost" in str(error)
    assert wait_until_empty(board.scratch) == []
    check_salvaged(report, board.scratch)


def test_a_host_lost_for_good_is_cleaned_by_the_worker_itself(board, artefact):
    transport = board.transport()

    def cut(pid):
        transport._options += ["-o", "Port=1"]  # from now on nobody answers
        board.kill_sessions()

    _, error = run_plan(transport, plan(artefact, LONG), on_first_samples(cut))
    assert "host lost" in str(error)
    assert wait_until_empty(board.scratch) == []


def test_a_worker_killed_on_the_board(board, artefact):
    kill = on_first_samples(lambda pid: os.kill(pid, signal.SIGKILL))
    report, error = run_plan(board.transport(), plan(artefact, LONG), kill)
    assert "the worker was cut off: killed by SIGKILL" in str(error)
    check_salvaged(report, board.scratch)


def test_ctrl_c_stops_the_worker_on_the_board(board, artefact):
    pids = []

    def interrupt(pid):
        pids.append(pid)
        raise KeyboardInterrupt

    report, error = run_plan(board.transport(), plan(artefact, LONG), on_first_samples(interrupt))
    assert "interrupted" in str(error)
    check_salvaged(report, board.scratch)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pids[0]}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_board_without_python(board, artefact):
    _, error = run_plan(board.transport(python="python9"), plan(artefact))
    assert "the device has no python9" in str(error)
    assert list(board.scratch.iterdir()) == []


def test_no_space_on_the_board(board, artefact, tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", board.scratch], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        _, error = run_plan(board.transport(), plan(artefact))
        assert "no space on the device" in str(error)
        large = tmp_path / "large"
        large.write_bytes(bytes(1 << 20))
        with pytest.raises(UserError, match="no space on ssh:board"):
            board.transport().push(large, f"{board.scratch}/large")
        (board.scratch / "large").unlink(missing_ok=True)
        assert list(board.scratch.iterdir()) == []
    finally:
        subprocess.run(["umount", board.scratch], check=True)


def test_show_reads_cores_and_python_over_ssh(board):
    facts = describe_device(board.transport())
    assert set(os.sched_getaffinity(0)) <= set(facts.topology.cpus)
    assert facts.python.version == ".".join(map(str, sys.version_info[:3]))
    assert facts.python.engines["onnxruntime"].startswith("onnxruntime ")


def test_devices_lists_the_hosts_that_answer(board, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = dict(list_addresses(Access(ssh_config=board.configs["good"], ssh_hosts=("board",))))
    assert found["ssh:board"] == "ready"
    found = dict(list_addresses(Access(ssh_config=board.configs["closed port"], ssh_hosts=("board",))))
    assert "host unreachable" in found["ssh:board"]


@pytest.mark.parametrize(
    "target", ["", "-oProxyCommand=x", "a b", "host:port", "user@", "host;ls", "host:123456"]
)
def test_what_is_no_address_never_reaches_ssh(target):
    with pytest.raises(UserError, match=r"is not an ssh address|is not known"):
        open_device(f"ssh:{target}")


@pytest.mark.parametrize("target", ["board", "pi@board.local:2222", "root@10.0.0.7", "pi@[fe80::1%eth0]:22"])
def test_usual_addresses_are_taken(target):
    assert open_device(f"ssh:{target}").address == f"ssh:{target}"
