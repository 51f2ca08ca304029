"""Options as typed: each is taken or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mobilevis.benchmarks.latency.transports.registry import open_device
from mobilevis.benchmarks.latency.worker.cpus import parse_topology, resolve_cpus
from mobilevis.cli.main import app, as_user_error
from mobilevis.cli.options import driver_options, parse_config, parse_size
from mobilevis.runtime.artefact import artefact_format
from mobilevis.runtime.outputs import check_outputs
from mobilevis.runtime.sources import open_source
from mobilevis.training.toml import apply_override

from .conftest import Trial
from .mutations import HOSTILE_TEXTS, Random, mutate_text

pytestmark = pytest.mark.fuzz

TOPOLOGY = parse_topology({"/sys/devices/system/cpu/online": "0-3"})
PARSERS = {
    "320x640": parse_size,
    "num_queries=50": lambda text: parse_config([text]),
    "mask_threshold=0.4": lambda text: driver_options({}, [text]),
    "run.output=runs/x": lambda text: apply_override({}, text),
    "4-7,0": lambda text: resolve_cpus(text, TOPOLOGY),
    "missing.mp4": open_source,
    "missing.tflite": artefact_format,
    "out.json": lambda text: check_outputs({"--json": Path(text)}, {}),
    "local": open_device,
}
COMMANDS = (
    ("run", "{}", "clip.mp4"),
    ("run", "x.tflite", "clip.mp4", "--threads", "{}"),
    ("run", "x.tflite", "clip.mp4", "--max-frames", "{}"),
    ("export", "{}", "-o", "out"),
    ("export", "mobileinst-topformer-tiny", "--input-size", "{}", "-o", "out"),
    ("export", "mobileinst-topformer-tiny", "--random", "--config", "{}", "-o", "out"),
    ("train", "{}"),
    ("train", "synth-frames", "--set", "{}=1"),
    ("eval", "--metric", "{}", "--gt", "g.json", "--results", "r.json"),
    ("info", "{}"),
    ("bench", "compare", "{}"),
    ("bench", "latency", "x.tflite", "--cpus", "{}"),
    ("data", "synth", "out", "--size", "{}"),
    ("data", "show", "{}"),
)


@pytest.mark.parametrize("seed", PARSERS)
def test_a_strange_value(seed: str, chance: Random, trial: Trial) -> None:
    for _ in range(25):
        text = mutate_text(seed, chance)
        trial.run(repr(text[:100]), PARSERS[seed], text)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_strange_argument(
    command: tuple[str, ...], chance: Random, trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def invoke(text: str) -> None:
        done = runner.invoke(app, [part.replace("{}", text) for part in command])
        if isinstance(done.exception, Exception):
            raise as_user_error(done.exception) or done.exception

    for text in chance.sample([t for t in HOSTILE_TEXTS if not t.startswith("/dev")], 12):
        trial.run(repr(text[:60]), invoke, text)
