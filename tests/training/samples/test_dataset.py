from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.config import TrainConfig
from mobilevis.training.samples.batches import SampleKey
from mobilevis.training.samples.config import AugmentConfig, ClipConfig, DataConfig
from mobilevis.training.samples.dataset import Sample, TrainingSet, clip_frames, collate, partner_frame
from mobilevis.training.samples.frames import LazyMasks
from mobilevis.training.samples.sources import open_source


def open_set(data: DataConfig, seed: int = 0) -> TrainingSet:
    return TrainingSet(open_source(data), data, seed)


def open_pairs(data: DataConfig) -> TrainingSet:
    return TrainingSet(open_source(data), data, seed=0, pair_gap=0)


def plain(data: DataConfig) -> DataConfig:
    return replace(data, augment=AugmentConfig(flip=0.0))


def same(first: Sample, second: Sample) -> bool:
    return np.array_equal(first.frame, second.frame) and np.array_equal(first.masks, second.masks)


def test_classes_follow_the_category_ids(config: TrainConfig) -> None:
    assert open_source(config.data).classes == (Category(4, "red"), Category(9, "green"))


def test_masks_lie_on_their_objects_after_augmentation(config: TrainConfig) -> None:
    data = replace(config.data, augment=AugmentConfig(flip=0.5, scale=(0.7, 1.5)))
    samples = open_set(data)
    for epoch in range(20):
        (sample,) = samples[SampleKey(epoch, 0)]
        for label, mask in zip(sample.labels, sample.masks):
            inside = cv2.resize(mask, (128, 64), interpolation=cv2.INTER_NEAREST) == 255
            assert inside.any()
            # Channel 0 is red, the colour of class 0.
            assert (sample.frame[inside].argmax(1) == label).mean() > 0.95


def test_a_mask_keeps_its_area_at_quarter_resolution(config: TrainConfig) -> None:
    (sample,) = open_set(plain(config.data))[SampleKey(0, 0)]
    scale = 64 / 60
    assert sample.masks[0].sum() / 255 == pytest.approx(24 * 24 * scale**2 / 16, rel=0.03)


def test_padding_is_black_and_at_the_right_and_bottom(config: TrainConfig) -> None:
    data = replace(plain(config.data), canvas=(64, 192))
    (sample,) = open_set(data)[SampleKey(0, 0)]
    assert sample.frame[:, :128].max(2).mean() > 0
    assert not sample.frame[:, 128:].any()
    assert not sample.masks[:, :, 32:].any()


def test_a_sample_depends_on_seed_and_key_alone(config: TrainConfig) -> None:
    samples = open_set(config.data)
    key = SampleKey(3, 1)
    first = samples[key][0]
    samples[SampleKey(9, 0)]
    assert same(first, samples[key][0])
    assert same(first, open_set(replace(config.data, cache=True))[key][0])
    assert not same(first, samples[SampleKey(4, 1)][0])
    assert not same(first, open_set(config.data, seed=1)[key][0])


def test_a_pair_shares_its_geometry_and_its_identities(config: TrainConfig) -> None:
    samples = open_pairs(config.data)
    for epoch in range(5):
        first, second = samples[SampleKey(epoch, 0)]
        assert 2 in first.identities
        assert 2 in second.identities
        heights = [np.flatnonzero(s.masks[list(s.identities).index(2)].any(1)) for s in (first, second)]
        assert abs(heights[0][0] - heights[1][0]) <= 1  # the red square moves sideways only


def test_a_partner_is_another_frame_within_the_gap() -> None:
    rng = np.random.default_rng(0)
    assert {partner_frame(rng, 5, 10, 2) for _ in range(100)} == {3, 4, 6, 7}
    assert {partner_frame(rng, 0, 4, 0) for _ in range(100)} == {1, 2, 3}
    assert partner_frame(rng, 0, 1, 0) == 0


def test_batches_stack_first_frames_then_second_frames(config: TrainConfig) -> None:
    samples = open_pairs(config.data)
    pairs = [samples[SampleKey(0, index)] for index in (0, 4)]
    batch = collate(pairs)
    assert batch.frames.shape == (4, 3, 64, 128)
    for place, sample in enumerate((pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1])):
        assert np.array_equal(batch.frames[place].permute(1, 2, 0).numpy(), sample.frame)
        assert batch.targets[place].identities.tolist() == sample.identities.tolist()
        assert batch.targets[place].masks.max() <= 1


def test_frames_of_a_random_short_side_are_padded_to_the_largest(config: TrainConfig) -> None:
    data = replace(plain(config.data), canvas=(0, 0), short_sides=(60, 100), long_side=1000)
    samples = open_set(data)
    pairs = [samples[SampleKey(epoch, 0)] for epoch in range(8)]
    assert {pair[0].frame.shape[:2] for pair in pairs} == {(64, 128), (128, 256)}
    batch = collate(pairs)
    assert batch.frames.shape == (8, 3, 128, 256)
    assert batch.targets[0].masks.shape[1:] == (32, 64)


def test_the_long_side_is_bounded(config: TrainConfig) -> None:
    data = replace(plain(config.data), canvas=(0, 0), short_sides=(100,), long_side=120)
    (sample,) = open_set(data)[SampleKey(0, 0)]
    assert sample.frame.shape[:2] == (64, 128)


def test_an_image_of_another_size_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    source = open_source(config.data)
    record = source._videos[0][0]
    broken = tmp_path / "broken.png"
    cv2.imwrite(str(broken), np.zeros((5, 5, 3), dtype=np.uint8))
    source._videos[0][0] = replace(record, file=broken)
    with pytest.raises(UserError, match="the image is 5x5, its annotations say 60x120"):
        source.read(0, 0)
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match="is broken"):
        source.read(0, 0)


@pytest.mark.parametrize(
    ("wished", "length", "expected"),
    [(2, 10, [2, 4, 6]), (8, 10, [5, 7, 9]), (0, 3, [0, 2, 2]), (0, 1, [0, 0, 0])],
    ids=["inside", "moved back to fit", "a short video repeats its last frame", "a single frame"],
)
def test_a_clip_lies_within_its_video(wished: int, length: int, expected: list[int]) -> None:
    assert clip_frames(wished, length, ClipConfig(length=3, stride=2)) == expected


@pytest.mark.parametrize("still", [0.0, 1.0])
def test_a_still_clip_repeats_its_first_frame(config: TrainConfig, still: float) -> None:
    clip = ClipConfig(length=2, still=still)
    samples = TrainingSet(open_source(config.data), plain(config.data), 0, clip)
    first, second = samples[SampleKey(0, 0)]
    assert np.array_equal(first.frame, second.frame) == bool(still)


def test_the_frames_of_a_batch_of_clips_are_stacked_frame_by_frame(config: TrainConfig) -> None:
    source = open_source(config.data)
    samples = TrainingSet(source, plain(config.data), 0, ClipConfig(length=2))
    batch = collate([samples[SampleKey(0, 0)], samples[SampleKey(0, 1)]])
    single = open_set(plain(config.data))
    for place, index in enumerate([0, 1, 1, 2]):
        expected = collate([single[SampleKey(0, index)]]).frames[0]
        assert batch.frames[place].equal(expected), place


def test_masks_are_made_one_at_a_time(config: TrainConfig) -> None:
    """Of a frame of 64 megapixels with 100 objects they would take 6.4 GB together."""
    made: list[int] = []
    masks = LazyMasks([3, 4, 5], lambda source: made.append(source) or np.ones((1, source), dtype=bool))
    assert len(masks) == 3
    assert made == []
    assert [mask.shape for mask in masks] == [(1, 3), (1, 4), (1, 5)]
    assert [mask.shape for mask in masks[1:]] == [(1, 4), (1, 5)]
    frame = open_source(config.data).read(0, 0)
    assert isinstance(frame.masks, LazyMasks)
    assert frame.masks[0].dtype == bool
