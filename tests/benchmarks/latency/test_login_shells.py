"""Over ssh an account's own shell comes first: fish, csh, one that prints a banner, one without sftp."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.bench import run_plan
from mobilevis.benchmarks.latency.transports.ssh import SshTransport
from mobilevis.runtime.errors import UserError

from .conftest import SHORT
from .sshd import SSHD, start_sshd
from .test_faults import plan

pytestmark = pytest.mark.skipif(SSHD is None, reason="OpenSSH's sshd is not installed")
SHELLS = {
    "fish": 'fish -c "$SSH_ORIGINAL_COMMAND"',
    "tcsh": 'tcsh -c "$SSH_ORIGINAL_COMMAND"',
    "banner": 'echo "Welcome to the board"; sh -c "$SSH_ORIGINAL_COMMAND"',
}


@pytest.fixture(scope="module", params=SHELLS)
def board(request, tmp_path_factory):
    """A host whose login shell is not POSIX, or talks; no sftp server is configured on it."""
    if request.param != "banner" and shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    scratch = tmp_path_factory.mktemp("scratch")
    with start_sshd(tmp_path_factory.mktemp("sshd"), SHELLS[request.param]) as server:
        yield SshTransport("board", server.write_config("good"), sys.executable, str(scratch))


def test_a_command_answers_with_its_own_lines_and_status(board):
    done = board.run(["sh", "-c", "echo here; exit 3"])
    assert (done.status, done.stdout) == (3, "here\n")


def test_words_with_quotes_dollars_and_blanks_arrive_as_they_are(board):
    words = ["it's", 'a "b"', "$HOME", "~", "a;b", "", "x!y", "back\\slash", "*"]
    assert board.run(["printf", "%s\n", *words]).stdout.splitlines() == words


def test_a_run_is_measured_and_leaves_nothing(board, artefact):
    report, error = run_plan(board, plan(artefact, SHORT))
    assert error is None
    assert len(report.artefacts[0].workloads["entries"].at_s) >= SHORT.min_runs
    assert list(Path(board.scratch).iterdir()) == []


@pytest.mark.parametrize("name", ["14:05:33", "-rf", "1234", "it's a model"])
def test_a_folder_of_any_name_is_copied_whole(board, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    (Path(name) / "encode.onnx").write_bytes(bytes(range(256)))
    board.push(Path(name), f"{board.scratch}/copied")
    assert (Path(board.scratch) / "copied" / "encode.onnx").read_bytes() == bytes(range(256))
    shutil.rmtree(f"{board.scratch}/copied")


def test_a_text_comes_back_as_it_was(board, tmp_path):
    (Path(board.scratch) / "journal").write_text("first\nzwölf\nno end", encoding="utf-8")
    board.pull(f"{board.scratch}/journal", tmp_path / "back")
    assert (tmp_path / "back").read_text(encoding="utf-8") == "first\nzwölf\nno end"
    (Path(board.scratch) / "journal").unlink()


def test_what_cannot_be_copied_is_one_line(board, tmp_path):
    with pytest.raises(UserError, match=r"cannot copy from ssh:board: .*No such file"):
        board.pull(f"{board.scratch}/absent", tmp_path / "back")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot copy to ssh:board: "):
        board.push(tmp_path / "file", f"{board.scratch}/absent/file")
    with pytest.raises(UserError, match="cannot pack it for the device: No such file"):
        board.push(tmp_path / "nothing", f"{board.scratch}/nothing")
