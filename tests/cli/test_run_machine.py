"""``mobilevis run`` and the machine around it: signals, the home folder, the terminal, damaged files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from mobilevis.runtime.sources import open_source

COMMAND = [sys.executable, "-m", "mobilevis.cli.main"]
PATIENCE_S = 300.0


@pytest.fixture
def onnx(artefacts):
    """A small MobileInst with random weights."""
    return artefacts["onnxruntime"]


@pytest.fixture
def endless(tmp_path):
    """A folder whose frames take minutes: one picture under many names."""
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "00000.png"), np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8))
    for index in range(1, 20_000):
        os.link(folder / "00000.png", folder / f"{index:05d}.png")
    return folder


def start(command, folder):
    """A process that heeds Ctrl-C, which a shell takes from what it starts in the background."""
    return subprocess.Popen(
        command,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_files_with_what_was_seen(onnx, endless, tmp_path, number, code):
    out = tmp_path / "out"
    out.mkdir()
    files = ("--output", "o.avi", "--results", "r.json", "--json-lines", "o.jsonl")
    arguments = ["run", onnx, endless, "--score-threshold", 0, "--association", "slots", *files]
    process = start([*COMMAND, *map(str, arguments)], out)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (out / "o.jsonl").exists() or len((out / "o.jsonl").read_text().splitlines()) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == code
    seen = len((out / "o.jsonl").read_text().splitlines())
    assert (
        error.strip().splitlines()[-1].startswith(f"mobilevis: stopped by {number.name} after {seen} frames")
    )
    assert len(list(open_source(out / "o.avi"))) == seen
    assert {len(r["segmentations"]) for r in json.loads((out / "r.json").read_text())} == {seen}
    assert sorted(path.name for path in out.iterdir()) == ["o.avi", "o.jsonl", "r.json"]


def run_in(home, *arguments, **environment):
    """The command with another home folder and other variables."""
    own = ("XDG_", "LC_", "LANG")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=home.parent,
        env={**variables, "HOME": str(home), **environment},
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "bild-ä.png"
    cv2.imwrite(str(path), np.full((90, 160, 3), 90, dtype=np.uint8))
    return path


def test_onnx_runtime_leaves_the_home_folder_as_it_was(onnx, home, picture):
    done = run_in(home, "run", onnx, picture, "--json-lines", "o.jsonl")
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_is_not_utf8_gets_every_line(onnx, home, picture, encoding):
    done = run_in(home, "run", onnx, picture, "-o", "ö→.avi", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert "frames a second end to end" in shown
    assert "\\u2192.avi" in shown
    missing = run_in(home, "run", onnx, "fehlt-→.mp4", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert missing.returncode == 2
    assert "fehlt-\\u2192.mp4" in missing.stderr.decode(encoding)


def test_a_flipped_byte_is_refused_unless_nobody_asks(refused, mobilevis, onnx, picture, tmp_path):
    copy = tmp_path / "damaged_onnx"
    shutil.copytree(onnx, copy)
    data = bytearray((copy / "segment.onnx").read_bytes())
    data[data.index(b"pytorch")] ^= 0x20  # who made the file: no engine reads it
    (copy / "segment.onnx").write_bytes(data)
    line = refused("run", copy, picture, "--json-lines", "o.jsonl")
    assert "damaged" in line
    assert "segment.onnx" in line
    done = mobilevis("run", copy, picture, "--json-lines", "o.jsonl", "--no-verify")
    assert done.returncode == 0, done.stderr


WITHOUT = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
sys.argv = ["mobilevis", *sys.argv[2:]]
from mobilevis.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("missing", "arguments", "words"),
    [
        ("torch", ("export", "mobileinst-topformer-tiny"), 'pip install "mobilevis[export]"'),
        ("torch", ("demo",), 'pip install "mobilevis[export]"'),
        ("torch", ("train", "synth-frames"), 'pip install "mobilevis[train]"'),
        ("torch", ("list",), 'pip install "mobilevis[export]"'),
        ("torch", ("run", "mobileinst-topformer-tiny", "clip.mp4"), 'pip install "mobilevis[export]"'),
        ("torch", ("run", "model.safetensors", "clip.mp4"), 'pip install "mobilevis[export]"'),
        ("torch", ("info", "model.safetensors"), 'pip install "mobilevis[export]"'),
        ("scipy", ("data", "synth", "set"), 'pip install "mobilevis[data]"'),
        ("onnxruntime", ("run", "ARTEFACT", "clip.mp4"), 'pip install "mobilevis[onnxruntime]"'),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(onnx, tmp_path, missing, arguments, words):
    arguments = [str(onnx) if word == "ARTEFACT" else word for word in arguments]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, missing, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []
