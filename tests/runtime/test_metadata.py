"""The metadata's schema: what is written, and which older artefacts still load."""

from __future__ import annotations

import json

import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec, parse_metadata

ENTRIES = {"encode": EntrySpec((TensorSpec("frame", (1, 3, 64, 64)),), (TensorSpec("x", (1, 4)),))}


def metadata(**options) -> Metadata:
    return Metadata("toy", "mobileinst", ENTRIES, (64, 64), (Category(1, "dog"),), options)


def as_schema(version, **options) -> str:
    return json.dumps({**json.loads(metadata(**options).to_json()), "schema": version})


def test_metadata_are_written_as_schema_2_and_read_back_as_they_were():
    written = metadata(max_instances=20)
    assert json.loads(written.to_json())["schema"] == 2
    assert parse_metadata(written.to_json(), "a.pte") == written


def test_equal_metadata_are_equal_bytes():
    """The order in which options were given is none of their facts."""
    first, second = metadata(max_instances=20, mask_stride=4), metadata(mask_stride=4, max_instances=20)
    assert first.to_json() == second.to_json()


def test_schema_1_loads_with_the_facts_that_no_driver_reads():
    """As MobileInst's and MaXTron's artefacts of version 1 hold them."""
    options = {
        "num_queries": 100,
        "kernel_dim": 256,
        "score_rule": "sqrt(class*objectness)",
        "gate": {"mode": "offline"},
        "max_instances": 20,
        "keyframe_interval": 3,
        "mask_stride": 4,
    }
    old = parse_metadata(as_schema(1, **options), "a.pte")
    assert (old.schema, old.options) == (1, options)


@pytest.mark.parametrize("version", [0, 3, "2", None, True])
def test_another_schema_is_refused_with_those_that_are_read(version):
    with pytest.raises(UserError, match=f"schema {version}, this version reads 1, 2"):
        parse_metadata(as_schema(version), "a.pte")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ([], "at least one class"),
        ([{"id": 2**70, "name": "a"}], "no whole number of 64 bits"),
        ([{"id": "1", "name": "a"}], "no whole number"),
        ([{"id": True, "name": "a"}], "no whole number"),
        ([{"id": 1.5, "name": "a"}], "no whole number"),
        ([{"id": float("inf"), "name": "a"}], "no whole number"),
        ([{"id": 1, "name": 7}], "name of class 1 is no text"),
        ([{"id": 1, "name": "\ud800"}], "broken mobilevis metadata"),
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], "two classes have one id"),
    ],
)
def test_classes_that_no_results_file_could_name_are_refused(classes, words):
    text = json.dumps({**json.loads(metadata().to_json()), "classes": classes})
    with pytest.raises(UserError, match=words):
        parse_metadata(text, "a.pte")
