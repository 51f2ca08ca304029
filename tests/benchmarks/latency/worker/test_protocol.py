from __future__ import annotations

import itertools
import sys

import pytest

from mobilevis.benchmarks.latency.worker.measure import measure, warm_up
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS, Protocol, find_protocol
from mobilevis.benchmarks.latency.worker.workloads import Recording, Step
from mobilevis.runtime.errors import UserError


class Clock:
    """A clock that only its workloads move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A workload whose steps take the given milliseconds, (duration, is_keyframe), the last for ever."""

    kind = "frames"

    def __init__(self, clock: Clock, script, frames: int = 1) -> None:
        self.frames = frames
        self._clock = clock
        self._script = itertools.chain(script, itertools.repeat(script[-1]))
        self.steps = 0

    def restart(self) -> None: ...

    def step(self) -> list[Step]:
        milliseconds, is_keyframe = next(self._script)
        self._clock.now += self.frames * milliseconds / 1e3
        self.steps += 1
        return [Step({"frame": milliseconds}, is_keyframe, 1)] * self.frames


PROTOCOL = Protocol(
    "test", min_runs=10, min_seconds=1.0, max_seconds=5.0, warmup_seconds=0.5, max_warmup_seconds=3.0
)


def test_presets_follow_mlperf_mobile():
    assert (PROTOCOLS["quick"].min_runs, PROTOCOLS["quick"].min_seconds) == (128, 10)
    assert (PROTOCOLS["standard"].min_runs, PROTOCOLS["standard"].min_seconds) == (1024, 60)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(UserError, match="slow, quick, standard, sustained"):
        find_protocol("fast")


def test_warm_up_lasts_until_the_median_settles():
    clock = Clock()
    falling = [(100.0 - i, False) for i in range(40)]
    (log,) = warm_up([Scripted(clock, [*falling, (60.0, False)])], PROTOCOL, clock)
    assert not log.settled  # 3 s are over before 40 steps of a falling latency are
    assert sum(log.milliseconds) == pytest.approx(3000, abs=100)


def test_a_steady_latency_settles_after_the_minimum_time():
    clock = Clock()
    (log,) = warm_up([Scripted(clock, [(300.0, False), (20.0, False)])], PROTOCOL, clock)
    assert log.settled
    assert 0.5 <= sum(log.milliseconds) / 1e3 < 1.0
    assert log.milliseconds[0] == 300.0


@pytest.mark.parametrize(("rise", "settled"), [(0.01, True), (0.03, False)])
def test_a_median_has_settled_when_it_moves_by_less_than_two_hundredths(rise, settled):
    durations = [50.0] * PROTOCOL.window + [50.0 * (1 + rise)] * PROTOCOL.window
    assert PROTOCOL.has_settled(durations, elapsed=1.0) is settled
    assert PROTOCOL.has_settled([x / 1e3 for x in durations], elapsed=1.0) is settled


def test_keyframes_do_not_keep_the_median_from_settling():
    clock = Clock()
    script = [(40.0, True), (10.0, False)] * 200
    (log,) = warm_up([Scripted(clock, script)], PROTOCOL, clock)
    assert log.settled


def test_a_run_of_keyframes_only_settles_on_keyframes():
    clock = Clock()
    (log,) = warm_up([Scripted(clock, [(40.0, True)])], PROTOCOL, clock)
    assert log.settled


def run(script, protocol=PROTOCOL, count=1):
    clock = Clock()
    workloads = [Scripted(clock, script) for _ in range(count)]
    recordings = [Recording() for _ in workloads]
    rounds, seconds = measure(
        workloads, recordings, protocol, lambda elapsed: None, origin=100.0, clock=clock
    )
    return rounds, seconds, recordings


def test_measuring_goes_on_until_runs_and_seconds_are_reached():
    assert run([(10.0, False)])[:2] == (100, pytest.approx(1.0))
    assert run([(200.0, False)])[:2] == (10, pytest.approx(2.0))


def test_measuring_stops_at_the_cap_and_is_then_incomplete():
    rounds, seconds, _ = run([(1000.0, False)])
    assert rounds == 5
    assert not PROTOCOL.is_complete(rounds, seconds)


def test_the_slow_preset_measures_rounds_of_seconds_to_the_end_where_quick_does_not():
    slow, quick = PROTOCOLS["slow"], PROTOCOLS["quick"]
    for protocol in (slow, quick):
        (log,) = warm_up([Scripted(clock := Clock(), [(8000.0, True)])], protocol, clock)
        rounds, seconds, _ = run([(8000.0, True)], protocol)
        assert (log.settled and protocol.is_complete(rounds, seconds)) == (protocol is slow)


def test_a_clip_that_is_answered_at_once_is_one_round_of_all_its_frames():
    recording = Recording()
    clips = Scripted(clock := Clock(), [(100.0, True)], frames=5)
    rounds, _ = measure([clips], [recording], PROTOCOL, lambda elapsed: None, origin=100.0, clock=clock)
    assert rounds == 10
    began = recording.take()["at_s"]
    assert len(began) == 50
    assert len(set(began)) == 10


def test_frames_of_one_answer_do_not_settle_the_warm_up():
    clock = Clock()
    (log,) = warm_up([Scripted(clock, [(2.0, True)], frames=50)], PROTOCOL, clock)
    assert log.settled
    assert len(log.milliseconds) == 2 * PROTOCOL.window * 50


def test_interleaved_workloads_take_turns():
    _, _, (a, b) = run([(10.0, False)], count=2)
    merged = sorted([(at, name) for name, taken in (("a", a), ("b", b)) for at in taken.take()["at_s"]])
    assert "".join(name for _, name in merged) == "ab" * (len(merged) // 2)


def test_a_recording_keeps_the_columns_of_stages_that_come_late():
    recording = Recording()
    recording.add(0.0, Step({"frame": 1.0}))
    recording.add(0.1, Step({"frame": 2.0, "decode": 0.5}, True, 3))
    assert recording.take() == {
        "at_s": [0.0, 0.1],
        "is_keyframe": [None, True],
        "instances": [None, 3],
        "milliseconds": {"frame": [1.0, 2.0], "decode": [None, 0.5]},
    }
    assert recording.take()["at_s"] == []


@pytest.mark.parametrize("lines", range(20))
def test_a_recording_that_is_interrupted_at_any_line_keeps_columns_of_one_length(lines):
    recording, step, left = Recording(), Step({"frame": 2.0, "decode": 0.5}, True, 3), iter(range(lines))

    def interrupt(frame, event, argument):
        if event == "line" and next(left, None) is None:
            raise KeyboardInterrupt
        return interrupt

    previous = sys.gettrace()
    sys.settrace(interrupt)
    try:
        recording.add(0.1, step)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(previous)
    taken = recording.take()
    columns = [taken["at_s"], taken["is_keyframe"], taken["instances"], *taken["milliseconds"].values()]
    assert len({len(column) for column in columns}) == 1


@pytest.mark.parametrize(
    "fields",
    [{"min_runs": 0}, {"min_seconds": 9.0}, {"warmup_seconds": 4.0}, {"window": 0}],
)
def test_a_protocol_that_cannot_end_is_refused(fields):
    with pytest.raises(ValueError, match="protocol test"):
        Protocol(**{**PROTOCOL.to_dict(), **fields})
