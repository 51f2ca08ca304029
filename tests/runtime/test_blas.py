"""NumPy's products take as many threads as the engine, while a frame is processed and no longer."""

from __future__ import annotations

from threading import Event, Thread

import cv2
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mobilevis.runtime.blas import limit_blas
from mobilevis.runtime.segmenter import VideoSegmenter


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("NumPy has no BLAS whose threads can be set")
        yield


@pytest.fixture
def watched(artefact):
    """An artefact that notes BLAS's threads whenever it runs."""

    class Watched(type(artefact)):
        def run(self, entry, inputs):
            self.seen = blas_threads()
            return super().run(entry, inputs)

    return Watched()


def test_a_frame_is_processed_on_the_engines_threads_and_the_callers_come_back(
    two_blas_threads, watched, moving_squares
):
    segmenter = VideoSegmenter(watched)
    segmenter.process(moving_squares[0])
    assert (watched.seen, blas_threads()) == ({1}, {2})


def test_a_stream_leaves_the_caller_his_threads_between_frames(
    two_blas_threads, watched, moving_squares, tmp_path
):
    for index, frame in enumerate(moving_squares[:3]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), frame)
    for _ in VideoSegmenter(watched).stream(tmp_path):
        assert (watched.seen, blas_threads()) == ({1}, {2})


def test_a_fault_gives_the_threads_back(two_blas_threads, artefact, moving_squares):
    class Broken(type(artefact)):
        def run(self, entry, inputs):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        VideoSegmenter(Broken()).process(moving_squares[0])
    assert blas_threads() == {2}


def test_two_threads_at_once_give_the_caller_his_threads_back(two_blas_threads):
    first_in, first_may_go = Event(), Event()

    def stay():
        with limit_blas(1):
            first_in.set()
            first_may_go.wait(5)

    other = Thread(target=stay)
    other.start()
    first_in.wait(5)
    with limit_blas(1):
        first_may_go.set()
        other.join()
        assert blas_threads() == {1}
    assert blas_threads() == {2}
