"""``mobilevis bench latency`` and ``bench compare``: what they write, and one line for each bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mobilevis.runtime.bundled_clip import bundled_clip

CPU = str(min(os.sched_getaffinity(0)))


@pytest.mark.slow
def test_three_engines_interleaved_give_a_report_a_page_and_ratios(mobilevis, artefacts, tmp_path):
    done = mobilevis(
        "bench", "latency", *artefacts.values(), "--interleave", "--cpus", CPU, "--protocol", "quick",
        "--source", bundled_clip(), "-T", 3, "--score-threshold", 0,
        "--json", "out.json", "--html", "out.html", "--csv", "out.csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out.json").read_text())
    assert [artefact["facts"]["engine"] for artefact in report["artefacts"]] == list(artefacts)
    for artefact in report["artefacts"]:
        assert len(artefact["workloads"]["frames"]["at_s"]) >= 128
        assert artefact["parity"]
    assert "Stages of a frame" in done.stdout
    assert done.stdout.count("Pairs: rounds of one interleaved run.") == 1
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert (tmp_path / "out.csv").read_text().startswith("artefact,sha256,engine")
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")

    compared = mobilevis("bench", "compare", "out.json")
    assert compared.returncode == 0, compared.stderr
    assert "95 % interval" in compared.stdout


def test_ctrl_c_keeps_the_samples_and_ends_with_one_line(artefacts, tmp_path):
    command = [sys.executable, "-m", "mobilevis.cli.main", "bench", "latency", str(artefacts["onnxruntime"])]
    options = ["--cpus", CPU, "--json", "out.json", "--scratch", str(tmp_path / "scratch")]
    (tmp_path / "scratch").mkdir()
    run = subprocess.Popen(
        [*command, *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, such as CI's, ignores Ctrl-C and hands that on to its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not any((tmp_path / "scratch").glob("*/journal.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    (journal,) = (tmp_path / "scratch").glob("*/journal.jsonl")
    while '"samples"' not in journal.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert stderr.splitlines()[-1] == "mobilevis: interrupted (local): run again"
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["valid"] is False
    assert report["artefacts"][0]["workloads"]["entries"]["at_s"]
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cpus", "medium"], "--cpus medium is not known: use one of all, big, prime"),
        (["--protocol", "fast"], "unknown protocol fast: known are slow, quick, standard, sustained"),
        (["--device", "usb"], "device usb is not known: give local"),
        (["--threads", "999"], "999 threads on"),
        (["--source", "absent.mp4"], "there is no such file or folder (absent.mp4)"),
        (["--device", "ssh:nobody@board.invalid"], "host unreachable"),
        (["--json", "/dev/null/out.json"], "cannot write"),
        (["--engine", "tensorrt"], "unknown engine tensorrt"),
        (["--option", "mask_threshold"], "--option 'mask_threshold' is not KEY=VALUE"),
    ],
)
def test_a_bad_option_is_one_line(refused, artefacts, options, words):
    assert words in refused("bench", "latency", artefacts["litert"], *options)


def test_another_familys_option_is_refused_before_anything_is_timed(refused, artefacts, tmp_path):
    options = ["--cpus", CPU, "--source", bundled_clip(), "--option", "fixed_layers=3", "--json", "out.json"]
    line = refused("bench", "latency", artefacts["onnxruntime"], *options)
    assert "has no option fixed_layers" in line
    (result,) = json.loads((tmp_path / "out.json").read_text())["artefacts"]
    assert result["facts"]["engine"] == "onnxruntime"
    assert result["workloads"] == {}


def test_an_artefact_that_is_none_is_one_line(refused, tmp_path):
    (tmp_path / "broken.pte").write_bytes(b"\x00" * 64)
    words = "the file is not an ExecuTorch program (broken.pte)"
    assert words in refused("bench", "latency", "broken.pte", "--cpus", CPU)


def test_nothing_to_measure_is_one_line(refused):
    assert "there is nothing to measure" in refused("bench", "latency")


def test_an_output_never_replaces_what_is_measured(refused, artefacts):
    artefact = artefacts["litert"]
    assert "--csv would replace" in refused("bench", "latency", artefact, "--csv", artefact)
    assert "--json would replace" in refused("bench", "soak", artefact, "--json", artefact)


def test_compare_refuses_what_is_no_report(refused, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    assert "not a latency report" in refused("bench", "compare", "a.json", "a.json")
    assert "cannot read" in refused("bench", "compare", "absent.json")
