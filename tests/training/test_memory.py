from __future__ import annotations

import subprocess
import sys

import pytest

from mobilevis.training.memory import keep_freed_memory

FAULTS = """
import resource, sys
import torch
from mobilevis.training.memory import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("no such setting")
for _ in range(12):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(memory: str) -> int:
    """Of filling 40 MB four times where as much was freed before."""
    done = subprocess.run([sys.executable, "-c", FAULTS, memory], capture_output=True, text=True, check=False)
    if "no such setting" in done.stderr:
        pytest.skip("this C library has no mallopt")
    return int(done.stdout)


def test_what_was_freed_is_taken_again_without_a_page_fault():
    assert page_faults("kept") < 0.1 * page_faults("as it comes")


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
