from __future__ import annotations

import pytest

from mobilevis.benchmarks.cost.paper_latency import ROWS, PaperRow, frame_samples, paper_table, rows_of
from mobilevis.benchmarks.latency.report.schema import Series
from mobilevis.runtime.errors import UserError
from tests.benchmarks.latency.samples import report, result

SPARSE, MOBILE = (row for row in ROWS if row.table == 1 and row.name.endswith("Inst, TopFormer"))
T1, T3, T6 = (row for row in ROWS if row.table == 7)


def timed(decode_ms: float, other_ms: float, count: int = 40):
    """An artefact whose entries take exactly so long."""
    nothing = [None] * count
    milliseconds = {
        "encode": [other_ms] * count,
        "decode": [decode_ms] * count,
        "total": [decode_ms + other_ms] * count,
    }
    return result(workloads={"entries": Series(list(range(count)), nothing, nothing, milliseconds)})


def test_only_ratios_are_compared_and_the_papers_milliseconds_are_its_own():
    text = paper_table(report(timed(10, 90), timed(10, 30), interleaved=True), {SPARSE: 0, MOBILE: 1})
    assert "| 1 | SparseInst, TopFormer | 100.0 | 1.000 | [1.000, 1.000] | 1.000 | 317 |" in text
    assert "| 1 | MobileInst, TopFormer | 40.0 | 0.400 | [0.400, 0.400] | 0.498 | 158 |" in text
    assert "paper's ms (778G, TNN)" in text


def test_an_interval_shares_the_keyframes_entry():
    artefact = timed(decode_ms=12, other_ms=80)
    assert [frame_samples(artefact, t)[0] for t in (1, 3, 6)] == pytest.approx([92, 84, 82])


def test_the_intervals_of_table_7_are_one_artefact():
    text = paper_table(report(timed(12, 80), interleaved=True), {T1: 0, T3: 0, T6: 0})
    assert "| 7 | global, local, T = 3 | 84.0 | 0.913 | [0.913, 0.913] | 0.929 | 143 |" in text


def test_a_result_that_is_not_valid_is_marked():
    artefact = timed(10, 90)
    object.__setattr__(artefact, "reasons", ["busy machine"])
    assert "100.0 (NOT VALID)" in paper_table(report(artefact, interleaved=True), {SPARSE: 0})


def test_a_row_that_could_not_be_exported_says_so():
    text = paper_table(report(timed(10, 30), interleaved=True), {MOBILE: 0}, {SPARSE: "the gate failed"})
    assert "| 1 | SparseInst, TopFormer | not measured |  |  | 1.000 | 317 |" in text
    assert "| 1 | MobileInst, TopFormer | 40.0 | not measured |  | 0.498 | 158 |" in text
    assert "- table 1, SparseInst, TopFormer: not measured: the gate failed" in text


def test_every_table_has_its_reference_among_its_rows():
    for number in (1, 3, 4, 5, 6, 7):
        rows = rows_of([number])
        table = paper_table(report(timed(10, 90), interleaved=True), dict.fromkeys(rows, 0))
        assert len(table.splitlines()) == 2 + len(rows)


def test_every_row_is_an_architecture_that_the_models_have():
    from mobilevis.cli.bench_paper import model_of

    for row in ROWS:
        name, config = model_of(row)
        assert isinstance(row, PaperRow)
        assert name.split("-")[0] in ("mobileinst", "sparseinst")
        assert isinstance(config, dict)


def test_a_run_that_was_not_interleaved_has_no_ratios():
    with pytest.raises(UserError, match="not interleaved"):
        paper_table(report(timed(10, 90)), {SPARSE: 0})


def test_entries_that_were_not_measured_are_refused():
    with pytest.raises(UserError, match="entries were not measured"):
        frame_samples(result(workloads={}), 1)


def test_a_table_without_latencies_is_refused():
    with pytest.raises(UserError, match="no rows for table 2: choose from 1, 3"):
        rows_of([2])
