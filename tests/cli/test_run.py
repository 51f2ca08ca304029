"""``mobilevis run``: what it writes, and one clear line for each bad input."""

from __future__ import annotations

import json
import os
import shutil
import sys

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import load_coco
from mobilevis.export import export_model
from mobilevis.export.seeded import create_seeded
from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.sources import open_source
from tests.exports import by_engine

ENGINES = ("onnxruntime", "executorch", "litert")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The first six frames of the bundled clip."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    source = open_source(bundled_clip())
    frames = [frame for frame, _ in zip(source, range(6))]
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), source.fps, (width, height))
    for frame in frames:
        writer.write(frame[..., ::-1].copy())
    writer.release()
    return path


@pytest.fixture
def onnx(artefacts):
    return artefacts["onnxruntime"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_video_becomes_an_overlay_results_and_json_lines(mobilevis, artefacts, clip, tmp_path, engine):
    done = mobilevis(
        "run", artefacts[engine], clip, "--engine", engine, "-T", 2, "--score-threshold", 0,
        "--output", "out.mp4", "--results", "results.json", "--json-lines", "out.jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 frames, 3 keyframes" in done.stdout
    assert "weights are random" in done.stdout
    assert len(list(open_source(tmp_path / "out.mp4"))) == 6
    assert all(
        len(record["segmentations"]) == 6 for record in json.loads((tmp_path / "results.json").read_text())
    )
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 6


@pytest.fixture(scope="module")
def of_three_frames(exports):
    """An artefact that sees clips of three frames."""

    def export(folder):
        small = {"num_queries": 4, "dim": 16, "heads": 2, "iterations": 1, "box_bins": 3, "clip_length": 3}
        model = create_seeded("efficientvis-tiny", num_classes=5, **small)
        export_model(model, folder, ["onnx"], (64, 96), name="efficientvis-tiny")

    return by_engine(exports.get("efficientvis", export))["onnxruntime"]


def test_a_clip_level_run_says_its_delay_and_that_a_short_video_was_padded(mobilevis, of_three_frames, clip):
    done = mobilevis("run", of_three_frames, clip, "--max-frames", 2, "--json-lines", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert "sees 3 frames at once: answers come up to 2 frames late" in done.stdout
    assert "has fewer (2): its last frame was repeated" in done.stdout


def test_a_video_of_a_whole_clip_is_not_said_to_be_padded(mobilevis, of_three_frames, clip):
    done = mobilevis("run", of_three_frames, clip, "--max-frames", 3, "--json-lines", "out.jsonl")
    assert "answers come up to 2 frames late" in done.stdout
    assert "repeated" not in done.stdout


def test_a_frame_level_run_says_nothing_of_a_delay(mobilevis, onnx, clip):
    assert "late" not in mobilevis("run", onnx, clip, "--json-lines", "out.jsonl").stdout


def test_segments_become_a_submission_named_after_the_source(mobilevis, onnx, clip, tmp_path):
    done = mobilevis("run", onnx, clip, "--score-threshold", 0, "--panoptic", "submission")
    assert done.returncode == 0, done.stderr
    (video,) = json.loads((tmp_path / "submission" / "pred.json").read_text())["annotations"]
    assert video["video_id"] == clip.stem
    names = [frame["file_name"] for frame in video["annotations"]]
    assert names == [f"{index:05d}.png" for index in range(6)]
    assert sorted(p.name for p in (tmp_path / "submission" / "pan_pred" / clip.stem).iterdir()) == names


def test_a_folder_of_photographs_becomes_coco_annotations(mobilevis, onnx, tmp_path):
    for number, side in enumerate((96, 120)):
        picture = np.random.default_rng(number).integers(0, 256, (side, 150, 3), dtype=np.uint8)
        (tmp_path / "photos").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.jpg"), picture)
    options = ("--association", "slots", "--score-threshold", 0)
    done = mobilevis("run", onnx, "photos", "--stills", *options, "--coco", "labels.json")
    assert done.returncode == 0, done.stderr
    found = load_coco(tmp_path / "labels.json", tmp_path / "photos", strict=True)
    assert [(image.file_name, image.height) for image in found.images] == [("0.jpg", 96), ("1.jpg", 120)]
    assert {annotation.image_id for annotation in found.annotations} == {1, 2}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names of files are text")
def test_names_that_are_no_text_are_refused_where_json_would_hold_them(refused_here, onnx, tmp_path):
    (tmp_path / "photos").mkdir()
    _, png = cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "photos" / "caf\udce9.png").write_bytes(png.tobytes())
    outputs = (["--stills", "--coco", "labels.json"], ["--panoptic", "found"])
    for line in (refused_here("run", onnx, "photos", *output) for output in outputs):
        assert r"is no UTF-8 (caf\udce9.png): rename it" in line
    shutil.copytree(onnx, tmp_path / "caf\udce9")
    assert "the name of the artefact is no UTF-8" in refused_here("run", tmp_path / "caf\udce9", "photos")


def test_coco_annotations_are_of_stills(refused_here, onnx, clip):
    assert "add --stills" in refused_here("run", onnx, clip, "--coco", "labels.json")


def test_an_option_of_another_family_is_refused(refused_here, onnx, clip):
    assert "has no option mode" in refused_here("run", onnx, clip, "--mode", "offline")


def test_every_option_of_the_driver_can_be_given(mobilevis, onnx, clip, tmp_path):
    counts = []
    for birth_score in (0, 1):
        choice = (
            "--association",
            "appearance",
            "--score-threshold",
            0,
            "--option",
            f"birth_score={birth_score}",
        )
        done = mobilevis("run", onnx, clip, *choice, "--json-lines", f"{birth_score}.jsonl")
        assert done.returncode == 0, done.stderr
        lines = (tmp_path / f"{birth_score}.jsonl").read_text().splitlines()
        counts.append(sum(len(json.loads(line)["instances"]) for line in lines))
    assert counts[0] > counts[1] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--option", "stuff_threshold=0.1"],
            "has no option stuff_threshold: its options are",
        ),
        (
            ["--option", "mask_threshold"],
            "--option 'mask_threshold' is not KEY=VALUE: give such",
        ),
        (["--option", "mask_threshold=high"], "mask_threshold is 'high', not a number: give another value"),
        (["--option", "mask_threshold=2"], "score and mask thresholds are probabilities"),
        (["-T", "3", "--option", "keyframe_interval=2"], "keyframe_interval is given twice: leave out one"),
        (["--option", "keyframe_interval=2.5"], "keyframe_interval is 2.5, not a whole number or null"),
        (["--option", "classes=red"], "classes is 'red', not a list of names or null"),
    ],
)
def test_an_option_that_the_driver_cannot_take_is_one_line(refused_here, onnx, clip, arguments, words):
    assert words in refused_here("run", onnx, clip, *arguments)


def test_debug_shows_the_traceback(mobilevis, onnx):
    done = mobilevis("run", onnx, "absent.mp4", "--debug")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_a_missing_artefact_is_named(refused_here, clip):
    assert "absent.pte" in refused_here("run", "absent.pte", clip)


def test_a_missing_source_is_named(refused_here, onnx):
    assert "absent.mp4" in refused_here("run", onnx, "absent.mp4")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_artefact_is_named(refused, artefacts, clip, tmp_path, engine, kept):
    original = artefacts[engine]
    copy = tmp_path / original.name
    if original.is_dir():
        shutil.copytree(original, copy)
        broken = copy / "encode.onnx"
    else:
        shutil.copy(original, copy)
        broken = copy
    os.truncate(broken, int(broken.stat().st_size * kept))
    line = refused("run", copy, clip, "--output", "out.mp4", "--results", "r.json")
    assert broken.name in line
    assert sorted(p.name for p in tmp_path.iterdir()) == [copy.name]


def test_a_video_that_ends_mid_frame_keeps_the_frames_before(mobilevis, onnx, clip, tmp_path):
    broken = tmp_path / "broken.avi"
    data = clip.read_bytes()
    broken.write_bytes(data[: len(data) * 6 // 10])
    done = mobilevis(
        "run", onnx, broken, "--score-threshold", 0, "--output", "out.mp4", "--results", "r.json"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("mobilevis: the video breaks off after")
    assert "broken.avi" in done.stderr
    frames = len(list(open_source(tmp_path / "out.mp4")))
    assert 0 < frames < 6
    assert all(len(r["segmentations"]) == frames for r in json.loads((tmp_path / "r.json").read_text()))


@pytest.mark.parametrize("content", [b"", b"no video", b"RIFF\x00\x00\x00\x00AVI LIST"])
def test_what_is_no_video_is_named(refused, onnx, tmp_path, content):
    (tmp_path / "bad.avi").write_bytes(content)
    assert "bad.avi" in refused("run", onnx, "bad.avi", "--output", "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("shape", [(37, 53), (361, 641, 3), (90, 160, 4), (2160, 3840, 3)])
def test_any_image_is_a_one_frame_video(mobilevis, onnx, tmp_path, shape):
    cv2.imwrite(str(tmp_path / "image.png"), np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8))
    done = mobilevis(
        "run", onnx, "image.png", "--score-threshold", 0, "--output", "out.mp4", "--results", "r.json"
    )
    assert done.returncode == 0, done.stderr
    assert len(list(open_source(tmp_path / "out.mp4"))) == 1
    for record in json.loads((tmp_path / "r.json").read_text()):
        assert record["segmentations"][0]["size"] == list(shape[:2])


def test_images_of_two_sizes_keep_those_before_the_change(mobilevis, onnx, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, size in enumerate([(90, 160), (90, 160), (80, 160)]):
        cv2.imwrite(str(folder / f"{index}.png"), np.zeros((*size, 3), dtype=np.uint8))
    done = mobilevis("run", onnx, "frames", "--json-lines", "out.jsonl")
    assert done.returncode == 2
    assert "2.png" in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_more_threads_than_cores_is_refused(refused_here, onnx, clip):
    assert "threads" in refused_here("run", onnx, clip, "--threads", 4096)


def test_an_engine_for_another_format_is_refused(refused_here, onnx, clip):
    assert "litert reads a .tflite file" in refused_here("run", onnx, clip, "--engine", "litert")


def test_an_unknown_engine_lists_the_known_ones(refused_here, onnx, clip):
    assert "known are onnxruntime, executorch, litert" in refused_here(
        "run", onnx, clip, "--engine", "tensorrt"
    )


def test_an_unknown_class_lists_the_known_ones(refused_here, onnx, clip):
    assert "class 1" in refused_here("run", onnx, clip, "--classes", "cat")


def test_an_output_of_unknown_kind_is_refused_before_the_work(refused_here, onnx, clip):
    assert ".mp4" in refused_here("run", onnx, clip, "--output", "out.gif")


def test_an_output_in_a_place_that_is_a_file_is_refused(refused_here, onnx, clip, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused_here("run", onnx, clip, "--results", "file/results.json")


def test_version_and_help(mobilevis):
    assert mobilevis("--version").stdout.startswith("mobilevis ")
    shown = mobilevis("--help").stdout
    assert "run" in shown
    assert "Traceback" not in shown
