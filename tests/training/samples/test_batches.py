from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.training.samples.batches import BatchSampler, SampleKey


@given(length=st.integers(1, 20), batch=st.integers(1, 8), seed=st.integers(0, 99))
def test_every_epoch_visits_every_sample_once(length: int, batch: int, seed: int) -> None:
    keys = [key for keys in BatchSampler(length, batch, iterations=length, seed=seed) for key in keys]
    assert keys[: length * batch] == keys
    for epoch in range(batch):
        visited = [key.index for key in keys if key.epoch == epoch]
        assert sorted(visited) == list(range(length))


@given(start=st.integers(0, 12), seed=st.integers(0, 99))
def test_starting_later_continues_the_same_sequence(start: int, seed: int) -> None:
    whole = list(BatchSampler(7, 3, iterations=12, seed=seed))
    assert list(BatchSampler(7, 3, iterations=12, seed=seed, start=start)) == whole[start:]


def test_processes_share_each_batch_between_them() -> None:
    whole = list(BatchSampler(10, 4, iterations=6, seed=0))
    shares = [list(BatchSampler(10, 4, iterations=6, seed=0, rank=rank, world_size=2)) for rank in range(2)]
    for joint, first, second in zip(whole, *shares):
        assert sorted(joint) == sorted(first + second)


def test_the_order_follows_the_seed_and_the_epoch() -> None:
    first = [keys[0] for keys in BatchSampler(50, 1, iterations=100, seed=0)]
    other = [keys[0] for keys in BatchSampler(50, 1, iterations=100, seed=1)]
    assert first != other
    assert [key.index for key in first[:50]] != [key.index for key in first[50:]]
    assert first[50] == SampleKey(1, first[50].index)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="3 cannot be shared evenly by 2"):
        BatchSampler(10, 3, iterations=1, seed=0, world_size=2)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        BatchSampler(0, 3, iterations=1, seed=0)
