"""Both runtimes side by side on ONNX Runtime and one core: a frame's time in Kotlin over its time in Python.

``python -m mobilevis.benchmarks.latency.runtimes ARTEFACT`` steps a keyframe and its successors in one, then
in the other, and prints the ratio with its 95 % interval: other load on the machine falls on both. Kotlin
takes YUV planes as a camera gives them, Python RGB. ``--soak FRAMES`` runs so many in Kotlin alone and prints
its memory. Works in a checkout, after ``mvn -f android_demo verify``. Give an artefact with trained weights:
random ones show no objects to track and to draw.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from mobilevis.benchmarks.latency.android import MAX_CLIP_FRAMES, decode_clip
from mobilevis.benchmarks.latency.report.stats import mean_ratio
from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import open_source

WORKER = Path(__file__).resolve().parents[2] / "android_demo" / "worker" / "target"
SERVER = "org.mobilevis.worker.FrameServer"
OPTIONS: dict[str, Any] = {"keyframe_interval": 3, "association": "appearance"}
STEP = 3  # frames from a keyframe to the next
NETWORK = ("encode", "propagate", "decode", "segment")
WARM_UP = 30  # steps; Java compiles what runs often
SOAK_STEP = 1000

Milliseconds = Mapping[str, float]


class Kotlin:
    """The Kotlin runtime in a Java of its own, on the cores of this process."""

    def __init__(self, artefact: Path, frames: Path) -> None:
        classpath = (WORKER / "desktop.classpath").read_text()
        self._process = subprocess.Popen(
            ["java", "-Xmx256m", "-cp", classpath, SERVER, artefact, frames, json.dumps(OPTIONS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, frames: int) -> Mapping[str, Any]:
        """The next frames: ``milliseconds`` of each, ``heap_mib`` and ``resident_mib`` after them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(frames, file=self._process.stdin, flush=True)
        answer: Mapping[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()


class Python:
    """The Python runtime on the same frames."""

    def __init__(self, artefact: Path, clip: Path) -> None:
        self._frames = [frame for frame, _ in zip(open_source(clip), range(MAX_CLIP_FRAMES))]
        self._segmenter = VideoSegmenter(artefact, **OPTIONS)
        self._next = 0

    def run(self, frames: int) -> list[Milliseconds]:
        """Milliseconds of the next frames."""
        found = []
        for _ in range(frames):
            if self._next == len(self._frames):
                self._segmenter.reset()
                self._next = 0
            found.append(self._segmenter.process(self._frames[self._next]).milliseconds)
            self._next += 1
        return found


def measure_host_share(frames: Sequence[Milliseconds]) -> float:
    """What of the frames' time no network computes, in [0, 1]."""
    whole = sum(frame["frame"] for frame in frames)
    return 1 - sum(frame.get(stage, 0.0) for frame in frames for stage in NETWORK) / whole


def compare(ours: Sequence[Milliseconds], theirs: Sequence[Milliseconds]) -> list[str]:
    """Lines that say how Kotlin's frames and Python's differ.

    Args:
        ours: of Kotlin; ``STEP`` frames of each round in turn.
        theirs: of Python.
    """
    one, other = (np.array([f["frame"] for f in each]).reshape(-1, STEP).mean(1) for each in (ours, theirs))
    ratio = mean_ratio(one, other, paired=True)
    lines = [
        f"a frame: Kotlin {np.median(one):.2f} ms, Python {np.median(other):.2f} ms (medians of rounds)",
        f"ratio of the means {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]",
    ]
    for name, frames in (("Kotlin", ours), ("Python", theirs)):
        stages = sorted({stage for frame in frames for stage in frame})
        means = ", ".join(f"{s} {np.mean([f.get(s, 0.0) for f in frames]):.2f}" for s in stages)
        lines.append(f"{name}: host work {measure_host_share(frames):.1%} of a frame; ms: {means}")
    return lines


def take_turns(kotlin: Kotlin, python: Python, rounds: int) -> list[str]:
    """Step both in turn, and say what came of it."""
    kotlin.run(WARM_UP * STEP), python.run(WARM_UP * STEP)
    ours: list[Milliseconds] = []
    theirs: list[Milliseconds] = []
    for _ in range(rounds):
        ours += kotlin.run(STEP)["milliseconds"]
        theirs += python.run(STEP)
    load = f"load average {os.getloadavg()[0]:.1f}, {rounds} rounds of {STEP} frames, in turn"
    return [load, *compare(ours, theirs)]


def soak(kotlin: Kotlin, frames: int) -> Iterator[str]:
    """Run many frames, and say what memory they hold as they pass."""
    for done in range(SOAK_STEP, frames + 1, SOAK_STEP):
        answer = kotlin.run(SOAK_STEP)
        yield f"{done} frames: heap {answer['heap_mib']:.2f} MiB, resident {answer['resident_mib']:.1f} MiB"


@contextmanager
def resized_clip(source: Path, height: int, width: int) -> Iterator[tuple[Path, Path]]:
    """A clip's first frames as pictures in a folder, and as raw YUV planes in a file."""
    with TemporaryDirectory() as folder:
        clip = Path(folder, "clip")
        clip.mkdir()
        for index, (frame, _) in enumerate(zip(open_source(source), range(MAX_CLIP_FRAMES))):
            picture = cv2.cvtColor(cv2.resize(frame, (width, height)), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(clip / f"{index:03}.png"), picture)
        name, decoded = decode_clip(clip, Path(folder))
        yield clip, decoded.rename(Path(folder, name))


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path, help="folder of an ONNX export")
    parser.add_argument("clip", type=Path, nargs="?", default=bundled_clip())
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--size", default="720x1280", help="HEIGHTxWIDTH of the frames")
    parser.add_argument("--core", type=int, default=0, help="that runs both")
    parser.add_argument("--soak", type=int, metavar="FRAMES", help="so many in Kotlin alone")
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    cv2.setNumThreads(1)
    height, width = (int(side) for side in given.size.split("x"))
    with resized_clip(given.clip, height, width) as (clip, planes):
        kotlin = Kotlin(given.artefact, planes)
        if given.soak:
            for line in soak(kotlin, given.soak):
                print(line, flush=True)
        else:
            print("\n".join(take_turns(kotlin, Python(given.artefact, clip), given.rounds)))
        kotlin.close()


if __name__ == "__main__":
    main()
