"""Several sets joined, and frames drawn by share and by how rare their classes are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.config import TrainConfig
from mobilevis.training.samples.batches import BatchSampler
from mobilevis.training.samples.config import SetConfig
from mobilevis.training.samples.joining import repeat_factors, video_weights, with_classes
from mobilevis.training.samples.records import FrameRecord
from mobilevis.training.samples.sources import open_source


def video(*labels: int, frames: int = 1) -> list[FrameRecord]:
    instances = tuple((label, place, {}) for place, label in enumerate(labels))
    return [FrameRecord(Path("a.jpg"), (8, 8), instances)] * frames


def also(config: TrainConfig, share: float) -> TrainConfig:
    more = SetConfig(config.data.annotations, config.data.images, share)
    return replace(config, data=replace(config.data, also=(more,)))


def test_a_further_set_comes_after_the_first_with_its_share(config: TrainConfig) -> None:
    one, both = open_source(config.data), open_source(also(config, 0.25).data)
    assert both.classes == one.classes
    assert both.lengths == 2 * one.lengths
    drawn = both.weights * both.lengths
    assert drawn[: len(one.lengths)].sum() == pytest.approx(0.75)
    assert drawn[len(one.lengths) :].sum() == pytest.approx(0.25)


def test_classes_are_matched_by_name_and_others_left_out() -> None:
    own, wanted = [Category(7, "dog"), Category(9, "cat")], [Category(1, "cat"), Category(2, "car")]
    (kept,) = with_classes([video(0, 1), video(0)], own, wanted)
    assert [label for label, _, _ in kept[0].instances] == [0]


def test_a_set_without_any_of_the_classes_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    text = Path(config.data.annotations).read_text().replace("green", "blue").replace('"red"', '"grey"')
    (tmp_path / "other.json").write_text(text)
    other = SetConfig(str(tmp_path / "other.json"), config.data.images, 0.5)
    with pytest.raises(UserError, match="none of the first set's classes"):
        open_source(replace(config.data, also=(other,)))


def test_shares_that_leave_nothing_to_the_first_set_are_refused(config: TrainConfig) -> None:
    with pytest.raises(ValueError, match="leave a share to the first"):
        replace(config.data, also=tuple(SetConfig("a", "b", 0.5) for _ in range(2)))


def test_frames_of_rare_classes_are_drawn_more_often() -> None:
    """Class 1 is on one of 16 videos: √(0.25 · 16) = 2."""
    videos = [video(0)] * 15 + [video(0, 1)]
    assert repeat_factors(videos, 0.25).tolist() == [1.0] * 15 + [2.0]
    assert repeat_factors(videos, 0.0).tolist() == [1.0] * 16


def test_without_shares_and_repeats_all_frames_are_alike() -> None:
    assert video_weights([[video(0)]], [], 0.0) is None


@given(
    st.lists(st.floats(0.01, 10), min_size=1, max_size=40),
    st.integers(0, 99),
)
def test_each_sample_is_drawn_as_often_as_its_weight_says(weights: list[float], seed: int) -> None:
    length = len(weights)
    sampler = BatchSampler(length, 1, iterations=length, seed=seed, weights=np.array(weights))
    counts = Counter(key.index for keys in sampler for key in keys)
    for index, weight in enumerate(weights):
        assert abs(counts[index] - length * weight / sum(weights)) < 1 + 1e-6


def test_uneven_draws_go_on_where_they_stopped() -> None:
    weights = np.array([1.0, 5.0, 2.0])
    whole = list(BatchSampler(3, 2, iterations=9, seed=4, weights=weights))
    assert list(BatchSampler(3, 2, iterations=9, seed=4, start=5, weights=weights)) == whole[5:]
