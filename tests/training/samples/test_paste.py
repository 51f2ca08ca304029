"""Objects of another still in front: what they hide, and what both then say of themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.training.samples.augment import View
from mobilevis.training.samples.batches import SampleKey
from mobilevis.training.samples.config import AugmentConfig, ClipConfig, DataConfig, NearViewConfig
from mobilevis.training.samples.dataset import Sample, TrainingSet, augment
from mobilevis.training.samples.frames import LazyMasks, SourceFrame
from mobilevis.training.samples.paste import paste_objects
from mobilevis.training.samples.sources import open_source
from tests.training.samples.test_stills import SIDE, config, write_set

AS_IT_IS = AugmentConfig(flip=0.0)
WILD = AugmentConfig(flip=0.5, scale=(0.4, 2.5))
sides = st.integers(8, 70)


def random_frame(rng: np.random.Generator, height: int, width: int, objects: int, grey: int) -> SourceFrame:
    """A frame of one grey with rectangles for objects, which do not share pixels."""
    owner = np.full((height, width), -1)
    for index in range(objects):
        (y0, y1), (x0, x1) = (np.sort(rng.integers(0, side + 1, 2)) for side in (height, width))
        owner[y0:y1, x0:x1] = index
    return SourceFrame(
        image=np.full((height, width, 3), grey, dtype=np.uint8),
        masks=LazyMasks(list(range(objects)), lambda index: owner == index),
        labels=rng.integers(0, 5, objects),
        identities=rng.permutation(40)[:objects],
        labelled=rng.random(5) < 0.5,
        crowd=owner == -1,
    )


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 9999), own=st.integers(0, 4), others=st.integers(1, 4), height=sides, width=sides)
def test_what_is_pasted_lies_in_front_of_everything(
    seed: int, own: int, others: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    onto, other = random_frame(rng, 48, 64, own, 50), random_frame(rng, height, width, others, 200)
    found = paste_objects(rng, onto, other, WILD)
    before, pasted = found.masks[:own], found.masks[own:]
    assert 1 <= len(pasted) <= others
    front = np.any(pasted, axis=0)
    assert np.array_equal(found.image[..., 0] == 50, ~front)
    for mask, hidden in zip(onto.masks, before):
        assert np.array_equal(hidden, mask & ~front)
    assert found.crowd is not None
    assert np.array_equal(found.crowd, onto.crowd & ~front)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 9999), own=st.integers(0, 4), others=st.integers(1, 4))
def test_every_object_keeps_its_class_and_has_an_identity_of_its_own(
    seed: int, own: int, others: int
) -> None:
    rng = np.random.default_rng(seed)
    onto, other = random_frame(rng, 48, 64, own, 50), random_frame(rng, 48, 64, others, 200)
    found = paste_objects(rng, onto, other, AS_IT_IS)
    assert list(found.labels[:own]) == list(onto.labels)
    assert list(found.identities[:own]) == list(onto.identities)
    assert len(set(found.identities)) == len(found.identities) == len(found.labels) == len(found.masks)
    for label, mask in zip(found.labels[own:], found.masks[own:]):
        same = [np.array_equal(mask, theirs) for theirs in other.masks]
        assert any(
            equal and label == theirs for equal, theirs in zip(same, other.labels)
        )  # nothing was resized


@pytest.mark.parametrize("labelled", [None, np.array([True, False])])
def test_the_classes_that_are_labelled_stay_those_of_the_frame(labelled: np.ndarray | None) -> None:
    rng = np.random.default_rng(0)
    onto = replace(random_frame(rng, 48, 64, 2, 50), labelled=labelled, crowd=None)
    found = paste_objects(rng, onto, random_frame(rng, 48, 64, 2, 200), AS_IT_IS)
    assert found.labelled is labelled
    assert found.crowd is None


def test_an_object_that_is_hidden_wholly_is_none() -> None:
    rng = np.random.default_rng(0)
    onto, other = random_frame(rng, 64, 64, 3, 50), random_frame(rng, 64, 64, 0, 200)
    everything = replace(
        other,
        masks=LazyMasks([True], lambda value: np.full((64, 64), value)),
        labels=np.array([4]),
    )
    pasted = paste_objects(rng, onto, everything, AS_IT_IS)
    sample = augment(pasted, View(False, (64, 64), (64, 64), (0, 0)), np.eye(3, 4, dtype=np.float32))
    assert list(sample.labels) == [4]
    assert sample.masks.min() == 255


@pytest.fixture
def stills(tmp_path: Path) -> DataConfig:
    return config(write_set(tmp_path / "set", ["cup"]))


def draw(data: DataConfig, epoch: int, **augmentation: object) -> list[Sample]:
    augmented = replace(data, augment=replace(data.augment, **augmentation))
    return TrainingSet(open_source(augmented), augmented, 0, ClipConfig(length=2))[SampleKey(epoch, 0)]


def test_near_views_see_the_same_objects_pasted(stills: DataConfig) -> None:
    near = NearViewConfig(turn=1e-9)  # moves nothing: both views can be compared pixel by pixel
    counts = []
    for epoch in range(8):
        first, second = draw(stills, epoch, paste=1.0, near=near, scale=(0.5, 1.0))
        assert list(first.identities) == list(second.identities)
        assert np.abs(first.masks.astype(int) - second.masks).max() <= 1
        counts.append(len(first.identities))
    assert max(counts) == 2


def test_nothing_is_pasted_where_it_is_not_asked_for(stills: DataConfig) -> None:
    assert [len(draw(stills, epoch)[0].labels) for epoch in range(4)] == [1] * 4


def test_objects_are_pasted_over_stills_alone() -> None:
    with pytest.raises(ValueError, match=r"augment\.paste is for coco and yolo-seg"):
        DataConfig("youtube-vis", "a", "b", 1, (SIDE, SIDE), augment=AugmentConfig(paste=0.5))
