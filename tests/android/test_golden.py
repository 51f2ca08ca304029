"""The golden vectors of android_demo's tests say what they should, and say the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevis.runtime.rle import decode

SCRIPT = Path(__file__).parent / "golden.py"


def write(folder: Path) -> Path:
    subprocess.run([sys.executable, SCRIPT, folder, "script"], check=True)
    return folder


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("golden"))


def instances(file: Path) -> list[list[dict[str, Any]]]:
    return [json.loads(line)["instances"] for line in file.read_text().splitlines()]


def keyframes(file: Path) -> list[int]:
    frames = [json.loads(line) for line in file.read_text().splitlines()]
    return [frame["frame"] for frame in frames if frame["is_keyframe"]]


@pytest.mark.parametrize("clip", ["crossings", "exits", "counts"])
@pytest.mark.parametrize(
    ("driver", "association"),
    [
        ("mobileinst", "slots"),
        ("mobileinst", "online"),
        ("mobileinst", "appearance"),
        ("mobileinst-dense", "online"),
        ("mobileinst-dense", "appearance"),
    ],
)
@pytest.mark.parametrize("interval", [1, 3, 5])
def test_every_combination_shows_objects(
    golden: Path, driver: str, clip: str, association: str, interval: int
) -> None:
    frames = instances(golden / "clips" / driver / clip / f"{association}-{interval}.jsonl")
    assert len(frames) >= 40
    assert len({item["track_id"] for frame in frames for item in frame}) >= 2


@pytest.mark.parametrize("association", ["online", "appearance"])
@pytest.mark.parametrize("interval", [1, 3, 5])
def test_dense_kernels_of_one_class_share_no_pixel_unless_they_seem_one_object(
    golden: Path, association: str, interval: int
) -> None:
    frames = instances(
        golden / "clips" / "mobileinst-dense" / "crossings" / f"{association}-{interval}.jsonl"
    )
    ants = [[item["segmentation"] for item in frame if item["category"] == "ant"] for frame in frames]
    assert sum(len(masks) == 2 for masks in ants) > 20
    for first, second in (map(decode, masks) for masks in ants if len(masks) == 2):
        shared = np.count_nonzero(first & second)
        assert shared == 0 or shared > 0.35 * np.count_nonzero(first | second)


@pytest.mark.parametrize("driver", ["mobileinst", "mobileinst-dense"])
def test_frames_between_keyframes_are_propagated(golden: Path, driver: str) -> None:
    file = golden / "clips" / f"{driver}-propagate" / "exits" / "appearance-3.jsonl"
    stages = [json.loads(line)["milliseconds"] for line in file.read_text().splitlines()]
    assert ["propagate" in frame for frame in stages] == [index % 3 > 0 for index in range(len(stages))]
    assert all(("propagate" in frame) != ("encode" in frame) for frame in stages)
    assert any(instances(file))


@pytest.mark.parametrize("driver", ["mobileinst", "mobileinst-dense"])
@pytest.mark.parametrize(
    ("clip", "interval", "is_fixed"),
    [("crossings", 3, True), ("exits", 3, False), ("counts", 3, False), ("counts", 5, False)],
)
def test_keyframes_come_when_features_drift(
    golden: Path, driver: str, clip: str, interval: int, is_fixed: bool
) -> None:
    folder = golden / "clips" / driver / clip
    fixed, drift = (keyframes(folder / f"appearance-{interval}{end}.jsonl") for end in ("", "-drift"))
    assert (drift == fixed) == is_fixed
    assert 4 <= len(drift) <= len(fixed)


@pytest.mark.parametrize(("driver", "most"), [("mobileinst", 8), ("mobileinst-dense", 7)])
def test_a_clip_goes_from_nothing_to_many_and_back(golden: Path, driver: str, most: int) -> None:
    counts = [len(frame) for frame in instances(golden / "clips" / driver / "counts" / "online-1.jsonl")]
    assert counts[0] == counts[-1] == 0
    assert max(counts) == most


def test_a_crowd_that_looks_alike_keeps_its_identities_where_the_camera_jumps(golden: Path) -> None:
    frames = instances(golden / "clips" / "mobileinst-dense" / "pans" / "appearance-1.jsonl")
    rows = [sorted((item["box"][0], item["track_id"]) for item in frame) for frame in frames]
    whole = [[identity for _, identity in row] for row in rows if len(row) == 3]
    assert len(whole) > 30
    assert all(row == whole[0] for row in whole)


def test_broken_metadata_are_many_and_each_has_its_words(golden: Path) -> None:
    cases = json.loads((golden / "metadata.json").read_text())
    assert len(cases) > 30
    assert all("model.tflite" in case["says"] for case in cases)


def test_the_vectors_are_the_same_each_time(golden: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again")
    for file in sorted(golden.rglob("*.f32")):
        assert file.read_bytes() == (again / file.relative_to(golden)).read_bytes()
