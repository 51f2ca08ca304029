"""Which frames are keyframes: every T-th, or those on which something has moved."""

from __future__ import annotations

from typing import Optional

import numpy as np
import pytest

from mobilevis.runtime.drift import DriftKeyframes, Keyframe, find_moved_share, find_spread, sample_cells
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.keyframes import KEYFRAME_POLICIES, EveryTthFrame, describe_policies, find_policy
from mobilevis.runtime.segmenter import VideoSegmenter
from tests.runtime.conftest import ColorArtefact
from tests.runtime.drivers.squares import SquaresArtefact

DRIFT = {"keyframe_policy": "drift", "association": "appearance"}
CHANNELS, ROWS, COLUMNS = 4, 24, 48


class World:
    """Features of a scene that stands still but for what is told to move, and for a sensor's noise."""

    def __init__(self, noise: float = 0.2) -> None:
        self._rng = np.random.default_rng(0)
        self._noise = noise
        self._scene = self._draw()

    def _draw(self) -> np.ndarray:
        return self._rng.normal(0, 1, (CHANNELS, ROWS, COLUMNS))

    def show(self, moves: bool) -> np.ndarray:
        """The next frame's features; where it moves, a tenth of all columns change."""
        if moves:
            self._scene[..., : COLUMNS // 10] = self._draw()[..., : COLUMNS // 10]
        return (self._scene + self._noise * self._draw() / 2).astype(np.float32)


def drift(interval: int, longest: int = 12, shortest: int = 1) -> DriftKeyframes:
    return DriftKeyframes(interval, longest_interval=longest, shortest_interval=shortest)


def choose(keyframes: DriftKeyframes, moves: str) -> list[int]:
    """The keyframes of a video; a letter a frame, ``-`` stands still, ``x`` moves."""
    world = World()
    return [t for t, letter in enumerate(moves) if keyframes.decide(world.show(letter == "x"))]


def gaps(frames: list[int]) -> list[int]:
    return np.diff(frames).tolist()


@pytest.mark.parametrize("interval", [1, 2, 3, 7])
def test_fixed_keyframes_come_every_t_frames(interval: int) -> None:
    keyframes = EveryTthFrame(interval)
    assert [t for t in range(20) if keyframes.decide()] == list(range(0, 20, interval))


@pytest.mark.parametrize("interval", [1, 2, 3, 5, 12])
def test_what_always_moves_has_the_keyframes_of_fixed(interval: int) -> None:
    assert choose(drift(interval), "x" * 40) == list(range(0, 40, interval))


@pytest.mark.parametrize(("interval", "longest"), [(1, 12), (3, 12), (6, 12), (8, 16)])
def test_a_still_scene_has_a_keyframe_at_the_longest_interval(interval: int, longest: int) -> None:
    assert choose(drift(interval), "-" * 60) == list(range(0, 60, longest))


def test_the_first_move_after_a_still_while_is_answered_at_once() -> None:
    assert choose(drift(3), "-" * 10 + "x" * 10)[1] == 10


def test_what_a_still_while_has_saved_makes_keyframes_come_faster_than_every_t_frames() -> None:
    frames = choose(drift(4), "-" * 24 + "x" * 24)
    moving = gaps([t for t in frames if t >= 24])
    assert moving[0] < 4
    assert moving == sorted(moving)
    assert moving[-1] == 4


def test_a_move_that_ended_is_still_answered() -> None:
    frames = choose(drift(6), "-" * 6 + "x" + "-" * 20)
    assert frames[1] <= 6 + 6


@pytest.mark.parametrize("interval", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_up_to_any_frame_there_are_no_more_keyframes_than_fixed_has(interval: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    moves = "".join(letter * int(rng.integers(1, 20)) for letter in "x-" * 8)
    frames = choose(drift(interval), moves)
    assert all(sum(f <= t for f in frames) <= t // interval + 1 for t in range(len(moves)))


def test_the_shortest_interval_is_kept() -> None:
    assert min(gaps(choose(drift(2, shortest=5), "-" * 12 + "x" * 30))) == 5


def test_a_shortest_interval_beyond_the_longest_is_refused() -> None:
    with pytest.raises(ValueError, match="shortest_interval is 13, the longest interval 12"):
        drift(3, shortest=13)


def test_features_that_come_after_the_decision_serve_the_next_one() -> None:
    """As propagation has it: the first features after a keyframe stand for it."""
    world, keyframes, found = World(), drift(3), []
    for t, letter in enumerate("-" * 11 + "x" * 10):
        if keyframes.decide():
            found.append(t)
        else:
            keyframes.watch(world.show(letter == "x"))
    assert found[:2] == [0, 12]
    assert max(gaps(found)) <= 12
    assert len(found) >= 4


@pytest.mark.parametrize(("part", "share"), [(0, 0.0), (6, 0.25), (24, 1.0)])
def test_the_share_of_cells_that_moved(part: int, share: float) -> None:
    before = np.random.default_rng(1).normal(0, 1, (CHANNELS, ROWS, 24)).astype(np.float32)
    after = before.copy()
    after[:, :, :part] += 5.0
    cells = sample_cells(before)
    assert find_moved_share(sample_cells(after), Keyframe(cells, find_spread(cells))) == share


def test_features_without_contrast_move_only_where_they_change() -> None:
    flat = sample_cells(np.ones((CHANNELS, ROWS, COLUMNS), np.float32))
    assert find_moved_share(flat, Keyframe(flat, find_spread(flat))) == 0.0
    assert find_moved_share(flat + 1e-3, Keyframe(flat, find_spread(flat))) == 1.0


@pytest.mark.parametrize("shape", [(8, 1, 1), (8, 3, 80), (8, 80, 160)])
def test_a_grid_of_few_cells_stands_for_all(shape: tuple[int, int, int]) -> None:
    channels, cells = sample_cells(np.zeros(shape, np.float32)).shape
    assert channels == 8
    assert 1 <= cells <= 32 * 48


def squares(t: Optional[int]) -> np.ndarray:
    """A red square that moves on by 8 pixels a frame from frame 12 on; None shows nothing."""
    image = np.zeros((96, 160, 3), dtype=np.uint8)
    if t is not None:
        left = 8 + 8 * max(0, t - 12)
        image[30:70, left : left + 40, 0] = 255
    return image


@pytest.mark.parametrize("network", [ColorArtefact, SquaresArtefact])
def test_a_driver_decodes_when_its_features_drift(network: type) -> None:
    artefact = network()
    segmenter = VideoSegmenter(
        artefact, keyframe_interval=3, keyframe_policy="drift", association="appearance"
    )
    results = [segmenter.process(squares(t)) for t in range(24)]
    found = [result.frame_index for result in results if result.is_keyframe]
    assert found[:2] in ([0, 12], [0, 13])
    assert max(gaps(found[1:])) <= 3
    assert artefact.calls["decode"] == len(found)
    assert all("policy" in result.milliseconds for result in results)


def test_something_that_is_born_has_its_keyframe() -> None:
    segmenter = VideoSegmenter(SquaresArtefact(), keyframe_interval=6, **DRIFT)
    shown = [len(segmenter.process(squares(None if t < 30 else 0)).instances) for t in range(36)]
    assert max(shown[:30]) == 0
    assert min(shown[32:]) == 1


def test_each_video_begins_with_a_keyframe() -> None:
    segmenter = VideoSegmenter(ColorArtefact(), keyframe_policy="drift")
    for _ in range(2):
        assert [segmenter.process(squares(0)).is_keyframe for _ in range(3)] == [True, False, False]
        segmenter.reset()


def test_an_artefact_that_propagates_encodes_on_keyframes_only() -> None:
    artefact = SquaresArtefact(propagates=True)
    segmenter = VideoSegmenter(artefact, keyframe_interval=3, **DRIFT)
    results = [segmenter.process(squares(t)) for t in range(24)]
    found = [result.is_keyframe for result in results]
    assert [("encode" in result.milliseconds) for result in results] == found
    assert found[:13] == [True] + 11 * [False] + [True]
    assert sum(found[13:]) >= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keyframe_policy": "drfit"}, "did you mean drift"),
        ({"keyframe_policy": "drift", "longest_interval": 0}, "longest_interval is 0, it must be 1 or more"),
        (
            {"keyframe_policy": "drift", "shortest_interval": 40},
            "shortest_interval is 40, the longest interval 12",
        ),
        ({"keyframe_policy": "fixed", "longest_interval": 9}, "has no option longest_interval"),
    ],
)
def test_an_option_that_does_not_fit_is_named(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        VideoSegmenter(ColorArtefact(), **options)


def test_policies_are_described_and_found_by_name() -> None:
    assert all(f"{name} (" in describe_policies() for name in KEYFRAME_POLICIES)
    assert find_policy("drift") is KEYFRAME_POLICIES["drift"]
