"""Help: every command shows examples that parse, choices, and types that say something."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mobilevis.benchmarks.accuracy.metrics import METRICS
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from mobilevis.cli.choices import complete, complete_list, names_at
from mobilevis.cli.main import app
from mobilevis.data.synth.motion import PACES
from mobilevis.runtime.association import ASSOCIATIONS
from mobilevis.runtime.formats import ENGINES, FORMATS
from mobilevis.runtime.keyframes import KEYFRAME_POLICIES


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands") and command.commands:
        for name, child in command.commands.items():
            yield from leaves(child, (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def show_help(path: tuple[str, ...]) -> str:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "160", "TERM": "dumb"})
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_option_is_shown_with_a_type_of_python(path):
    assert not re.search(r"<(bool|str|list|dict)", show_help(path))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_examples_that_its_parser_takes(path):
    command = COMMANDS[path]
    examples = re.findall(r"mobilevis (.+)", command.epilog)
    assert examples
    for example in examples:
        words = shlex.split(example)
        assert tuple(words[: len(path)]) == path
        command.make_context(path[-1], words[len(path) :], resilient_parsing=True)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (("export",), FORMATS),
        (("run",), ENGINES),
        (("bench", "accuracy"), METRICS),
        (("eval",), METRICS),
        (("bench", "latency"), PROTOCOLS),
        (("run",), ASSOCIATIONS),
        (("run",), KEYFRAME_POLICIES),
        (("demo",), KEYFRAME_POLICIES),
        (("bench", "accuracy"), KEYFRAME_POLICIES),
        (("bench", "latency"), KEYFRAME_POLICIES),
        (("data", "synth"), PACES),
    ],
)
def test_choices_are_listed(path, names):
    assert "|".join(names) in show_help(path)


def test_choices_are_completed():
    assert complete(lambda: FORMATS)("t") == ["tflite"]
    assert complete_list(lambda: FORMATS)("onnx,p") == ["onnx,pte"]
    assert complete(names_at("mobilevis.models:list_models"))("efficientvis-t") == ["efficientvis-tiny"]


def test_completion_can_be_installed():
    assert "--install-completion" in show_help(())
