"""``mobilevis profile``: what it prints, and one line for each bad input."""

from __future__ import annotations

import pytest

from mobilevis.benchmarks.cost.paper_flops import ABLATION_ROWS, BACKBONE_ROWS
from mobilevis.cli.options import parse_config
from mobilevis.models import list_models
from mobilevis.runtime.errors import UserError


def test_the_list_names_every_model(mobilevis):
    done = mobilevis("profile", "--list")
    assert done.stdout.split() == list_models()


def test_blocks_and_their_sum_are_printed_in_both_conventions(mobilevis_here):
    done = mobilevis_here("profile", "mobileinst-topformer-base")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["total", "12,221,361", "8,728.78", "8,793.87"] in lines
    assert ["encode", "backbone.stem", "464", "22.12", "23.76"] in lines
    assert "fvcore's convention: 1 for a multiply-add" in " ".join(done.stdout.split())


def test_size_configuration_and_depth_reach_the_profile(mobilevis_here):
    done = mobilevis_here(
        "profile", "mobileinst-topformer-tiny", "--input-size", "64x128", "--depth", 1,
        "--config", "num_queries=10", "--config", "mask_decoder=fpn-1conv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "64x128" in done.stdout
    assert "mask_decoder." not in done.stdout


@pytest.mark.slow
def test_the_papers_tables_show_every_row_beside_ours(mobilevis_here):
    done = mobilevis_here("profile", "--paper-tables")
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for row in ABLATION_ROWS:
        assert any(line.startswith(f"{row.table} {row.name} {row.gflops:.2f} ") for line in lines)
    for row in BACKBONE_ROWS:
        start = f"{row.backbone} {row.task} {row.input_size}² {row.megaparameters:.1f} "
        assert any(line.startswith(start) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no model", "--list"]),
        (["resnet"], ["no model resnet", "mobileinst-topformer-base"]),
        (["mobileinst-topformer-tiny", "--input-size", "100x128"], ["100x128", "no multiple of 64"]),
        (["mobileinst-topformer-tiny", "--config", "pooling=max3"], ["max3", "max8"]),
        (["mobileinst-topformer-tiny", "--config", "num_queries"], ["num_queries", "KEY=VALUE"]),
    ],
)
def test_what_cannot_be_profiled_is_refused_with_the_known_ones(refused_here, arguments, words):
    line = refused_here("profile", *arguments)
    assert all(word in line for word in words), line


def test_configuration_values_are_numbers_truth_nothing_or_text():
    pairs = ["a=3", "b=0.5", "c=true", "d=null", "e=global-local", "f=", "g=x=y", "h=[1]"]
    assert parse_config(pairs) == {
        "a": 3, "b": 0.5, "c": True, "d": None, "e": "global-local", "f": "", "g": "x=y", "h": "[1]"
    }  # fmt: skip


def test_a_value_that_is_nested_too_deeply_is_refused():
    with pytest.raises(UserError, match="nested too deeply"):
        parse_config(["a=" + "[" * 100_000])


@pytest.mark.parametrize("pair", ["", "=3", "a b=3", "num_queries"])
def test_a_pair_without_a_key_and_a_value_is_refused(pair):
    with pytest.raises(UserError, match="KEY=VALUE"):
        parse_config([pair])
