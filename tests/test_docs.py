"""What the documents say is what was recorded, and what they name exists."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_recorded_results(tables):
    for document in tables.documents():
        text = document.read_text(encoding="utf-8")
        assert tables.with_tables(text) == text, f"{document.name}: run `python docs/tables.py`"


def test_records_name_no_folder_of_the_machine_that_wrote_them(tables):
    records = sorted(tables.RESULTS.rglob("*.json"))
    assert records
    assert [file.name for file in records if re.search(r'"(/|[A-Z]:\\\\)\w', file.read_text("utf-8"))] == []


def test_an_artefact_that_was_not_timed_beside_onnx_runtime_claims_no_ratio(tables, tmp_path):
    record = json.loads((tables.SYSTEMS / "minvis-tiny_192x320_fp32_report.json").read_text("utf-8"))
    (alone,) = (artefact for artefact in record["artefacts"] if artefact["format"] == "pte")
    record["artefacts"] = [{**alone, "time_ratio": None}]
    (tmp_path / "alone_report.json").write_text(json.dumps(record), encoding="utf-8")
    assert tables.export_table(tmp_path).endswith("| – | – |\n")


def test_the_plot_is_that_of_the_recorded_results(tables):
    with Image.open(tables.PLOT) as picture:
        assert picture.text["Description"] == json.dumps(tables.curves()), "run `python docs/tables.py`"


def test_the_plot_of_routing_is_that_of_the_recorded_result(tables):
    with Image.open(tables.ROUTING_PLOT) as picture:
        drawn = picture.text["Description"]
    assert drawn == json.dumps(tables.routing()["relation"]), "run `python docs/tables.py`"


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
    used = set(re.findall(r"mobilevis ([a-z]+)\b", " ".join(re.findall(r"`{1,3}[^`]+`{1,3}", README))))
    assert used
    assert used <= names
