"""Both runtimes side by side on ONNX Runtime and one core: a frame's time in Kotlin over its time in Python.

``python tests/android/speed.py ARTEFACT CLIP`` steps a keyframe and its successors in one, then in the other,
and prints the ratio with its 95 % interval: other load on the machine falls on both. Kotlin takes YUV planes
as a camera gives them, Python RGB. ``--soak FRAMES`` runs so many in Kotlin alone and prints its memory.
Needs what ``mvn -f android_demo verify`` builds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from mobilevis.benchmarks.latency.android import MAX_CLIP_FRAMES, decode_clip
from mobilevis.benchmarks.latency.report.stats import mean_ratio
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import open_source

CLASSPATH = Path(__file__).parents[2] / "android_demo" / "worker" / "target" / "desktop.classpath"
OPTIONS = {"keyframe_interval": 3, "association": "appearance", "score_threshold": 0.03, "birth_score": 0.03}
NETWORK = ("encode", "decode", "segment")
WARM_UP, SOAK_STEP = 30, 1000


class Kotlin:
    """The Kotlin runtime in a Java of its own, on the cores of this process."""

    def __init__(self, artefact: Path, frames: Path) -> None:
        command = ["java", "-Xmx256m", "-cp", CLASSPATH.read_text(), "org.mobilevis.worker.FrameServer"]
        self._process = subprocess.Popen(
            [*command, str(artefact), str(frames), json.dumps(OPTIONS)],
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

    def run(self, frames: int) -> list[Mapping[str, float]]:
        """Milliseconds of the next frames."""
        found = []
        for _ in range(frames):
            if self._next == len(self._frames):
                self._segmenter.reset()
                self._next = 0
            found.append(self._segmenter.process(self._frames[self._next]).milliseconds)
            self._next += 1
        return found


def measure_host_share(frames: Sequence[Mapping[str, float]]) -> float:
    """What of the frames' time no network computes."""
    whole = sum(frame["frame"] for frame in frames)
    return 1 - sum(frame.get(stage, 0.0) for frame in frames for stage in NETWORK) / whole


def compare(kotlin: Kotlin, python: Python, rounds: int) -> None:
    """Step both in turn and print what came of it."""
    step = OPTIONS["keyframe_interval"]
    kotlin.run(WARM_UP * step), python.run(WARM_UP * step)
    ours: list[Mapping[str, float]] = []
    theirs: list[Mapping[str, float]] = []
    for _ in range(rounds):
        ours += kotlin.run(step)["milliseconds"]
        theirs += python.run(step)
    one, other = (np.array([f["frame"] for f in all_]).reshape(rounds, -1).mean(1) for all_ in (ours, theirs))
    mean = mean_ratio(one, other, paired=True)
    print(f"load average {os.getloadavg()[0]:.1f}, {rounds} rounds of {step} frames, in turn")
    print(f"a frame: Kotlin {np.median(one):.2f} ms, Python {np.median(other):.2f} ms (medians of rounds)")
    print(f"ratio of the means {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]")
    for name, frames in (("Kotlin", ours), ("Python", theirs)):
        stages = sorted({stage for frame in frames for stage in frame})
        means = ", ".join(f"{s} {np.mean([f.get(s, 0.0) for f in frames]):.2f}" for s in stages)
        print(f"{name}: host work {measure_host_share(frames):.1%} of a frame; ms: {means}")


def soak(kotlin: Kotlin, frames: int) -> None:
    """Run many frames and print the memory as they pass."""
    for done in range(SOAK_STEP, frames + 1, SOAK_STEP):
        answer = kotlin.run(SOAK_STEP)
        print(f"{done} frames: heap {answer['heap_mib']:.2f} MiB, resident {answer['resident_mib']:.1f} MiB")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--size", default="720x1280", help="HEIGHTxWIDTH of the frames")
    parser.add_argument("--soak", type=int, metavar="FRAMES")
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    height, width = (int(side) for side in given.size.split("x"))
    with TemporaryDirectory() as folder:
        clip = Path(folder, "clip")
        clip.mkdir()
        for index, (frame, _) in enumerate(zip(open_source(given.clip), range(MAX_CLIP_FRAMES))):
            resized = cv2.resize(frame, (width, height))
            cv2.imwrite(str(clip / f"{index:03}.png"), cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))
        name, decoded = decode_clip(clip, Path(folder))
        kotlin = Kotlin(given.artefact, decoded.rename(Path(folder, name)))
        if given.soak:
            soak(kotlin, given.soak)
        else:
            compare(kotlin, Python(given.artefact, clip), given.rounds)
        kotlin.close()


if __name__ == "__main__":
    main()
