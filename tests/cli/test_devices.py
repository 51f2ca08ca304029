"""``mobilevis devices``."""

from __future__ import annotations

import platform
import sys


def test_this_machine_is_always_there(mobilevis):
    done = mobilevis("devices")
    assert done.returncode == 0, done.stderr
    assert "local" in done.stdout


def test_show_prints_cores_python_and_engines(mobilevis):
    done = mobilevis("devices", "show", "local")
    assert done.returncode == 0, done.stderr
    assert "--cpus" in done.stdout
    assert f"Python {platform.python_version()}" in done.stdout
    assert "onnxruntime" in done.stdout


def test_show_prints_the_pip_line_of_a_missing_engine(mobilevis, tmp_path):
    bare = tmp_path / "python"
    base = getattr(sys, "_base_executable", sys.executable)
    bare.write_text(f'#!/bin/sh\nexec "{base}" -S "$@"\n')
    bare.chmod(0o755)
    done = mobilevis("devices", "show", "local", "--python", bare)
    assert done.returncode == 0, done.stderr
    assert "-m pip install numpy onnxruntime" in " ".join(done.stdout.split())


def test_an_unknown_device_is_one_line(refused):
    assert "device toaster is not known" in refused("devices", "show", "toaster")
