"""What the documents say is what was recorded, and what they name exists."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from mobilevis.training.config import load_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    package = ROOT / "docs" / "tables" / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        "tables", package, submodule_search_locations=[str(package.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tables"] = module
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_recorded_results(tables):
    for document in tables.documents():
        text = document.read_text(encoding="utf-8")
        assert tables.with_tables(text) == text, f"{document.name}: run `python -m docs.tables`"


def test_records_name_no_folder_of_the_machine_that_wrote_them(tables):
    records = sorted(tables.records.RESULTS.rglob("*.json"))
    assert records
    assert [file.name for file in records if re.search(r'"(/|[A-Z]:\\\\)\w', file.read_text("utf-8"))] == []


def test_an_artefact_that_was_not_timed_beside_onnx_runtime_claims_no_ratio(tables, tmp_path):
    record = json.loads((tables.records.SYSTEMS / "minvis-tiny_192x320_fp32_report.json").read_text("utf-8"))
    (alone,) = (artefact for artefact in record["artefacts"] if artefact["format"] == "pte")
    record["artefacts"] = [{**alone, "time_ratio": None}]
    (tmp_path / "alone_report.json").write_text(json.dumps(record), encoding="utf-8")
    assert tables.export_table(tmp_path).endswith("| – | – |\n")


def test_the_plot_is_that_of_the_recorded_results(tables):
    with Image.open(tables.accuracy.PLOT) as picture:
        drawn = picture.text["Description"]
    assert drawn == json.dumps(tables.accuracy.curves()), "run `python -m docs.tables`"


def test_the_plot_of_keyframes_is_that_of_the_recorded_result(tables):
    with Image.open(tables.keyframes.PLOT) as picture:
        drawn = picture.text["Description"]
    assert drawn == json.dumps(tables.keyframes.plotted()), "run `python -m docs.tables`"


def test_the_plot_of_routing_is_that_of_the_recorded_result(tables):
    with Image.open(tables.routing.PLOT) as picture:
        drawn = picture.text["Description"]
    relation = tables.records.read_record(tables.routing.ROUTING)["relation"]
    assert drawn == json.dumps(relation), "run `python -m docs.tables`"


def test_the_frames_that_the_shipped_weights_saw_are_those_of_their_recipes():
    training = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    commands = training.partition("## How good they are")[0]
    recipes = [load_config(name) for name in re.findall(r"train (synth-\w+)$", commands, re.MULTILINE)]
    assert len(recipes) == 7
    frames = sum(
        recipe.schedule.iterations * recipe.data.batch_size * (2 if recipe.objective.get("pairs") else 1)
        for recipe in recipes
    )
    for document in (README, training):
        assert re.findall(r"([\d,]+) frames (?:of procedural video|in all)", document) == [f"{frames:,}"]


def test_the_recorded_long_stream_is_flat_on_three_engines(tables):
    record = tables.records.read_record(tables.soak.RECORD)
    results = [tables.soak.parse_result(raw) for raw in record["artefacts"]]
    assert {result.facts["engine"] for result in results} == {"onnxruntime", "executorch", "litert"}
    assert [result.holdings.frames[-1] for result in results] == [10_000] * 3
    assert record["flat"]
    assert all(result.flat for result in results)


@pytest.mark.parametrize("name", ["mobileinst-topformer-tiny", "dvis-plus-r50"])
def test_the_recorded_sizes_are_those_of_the_models(tables, name):
    recorded = tables.records.read_record(tables.sizes.RECORD)[name]
    assert json.loads(json.dumps(tables.sizes.count_size(name))) == recorded, "run with --count"


def test_the_sizes_of_every_counted_model_are_recorded(tables):
    assert tables.records.read_record(tables.sizes.RECORD).keys() == tables.sizes.COUNTED.keys()


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_every_command_of_the_readme_exists():
    from mobilevis.cli.main import app

    names = {command.name for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    used = set(
        re.findall(r"(?<!from )mobilevis ([a-z]+)\b", " ".join(re.findall(r"`{1,3}[^`]+`{1,3}", README)))
    )
    assert used
    assert used <= names
