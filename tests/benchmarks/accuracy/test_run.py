"""An artefact over a data set: a network whose answers are known, on frames of moving squares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mobilevis.benchmarks.accuracy.run import default_options, run_accuracy
from mobilevis.benchmarks.accuracy.sets import DatasetFrames
from mobilevis.data.images import write_png
from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import open_source
from mobilevis.runtime.streaming import run_stream
from mobilevis.runtime.vipseg import PanopticResults
from tests.runtime.conftest import ColorArtefact

from .vipseg import save_ids

HEIGHT, WIDTH, LENGTH = 90, 150, 6
CATEGORIES = [{"id": 3, "name": "red"}, {"id": 5, "name": "green"}, {"id": 9, "name": "blue"}]


def frame(t: int) -> np.ndarray:
    """A red square moves right, a green one moves down."""
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    image[20:50, 10 + 5 * t : 40 + 5 * t, 0] = 255
    image[30 + 2 * t : 60 + 2 * t, 110:140, 1] = 255
    return image


@pytest.fixture
def segmenter() -> VideoSegmenter:
    return VideoSegmenter(ColorArtefact(), keyframe_interval=3)


@pytest.fixture
def ytvis(tmp_path: Path) -> Path:
    names = [f"v/{t:05d}.png" for t in range(LENGTH)]
    masks: dict[int, list[Any]] = {0: [], 1: []}
    for t, name in enumerate(names):
        write_png(tmp_path / "JPEGImages" / name, frame(t))
        for channel, found in masks.items():
            found.append(rle.encode(frame(t)[..., channel] > 0))
    video = {"id": 1, "height": HEIGHT, "width": WIDTH, "length": LENGTH, "file_names": names}
    tracks = [
        {
            "id": 1 + channel,
            "video_id": 1,
            "category_id": category,
            "segmentations": masks[channel],
            "iscrowd": 0,
        }
        for channel, category in ((0, 3), (1, 5))
    ]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"videos": [video], "categories": CATEGORIES, "annotations": tracks}))
    return path


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two images of different sizes."""
    images, annotations = [], []
    for index, image in enumerate((frame(0), cv2.resize(frame(5), (300, 180))), start=1):
        name = f"{index}.png"
        write_png(tmp_path / "val" / name, image)
        height, width = image.shape[:2]
        images.append({"id": index, "file_name": name, "height": height, "width": width})
        for channel, category in ((0, 3), (1, 5)):
            mask = rle.encode(image[..., channel] > 127)
            record = {"id": len(annotations) + 1, "image_id": index, "category_id": category}
            annotations.append({**record, "segmentation": mask, "iscrowd": 0})
    path = tmp_path / "annotations" / "instances_val.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"images": images, "categories": CATEGORIES, "annotations": annotations}))
    return path


@pytest.fixture
def vipseg(tmp_path: Path) -> Path:
    """Frames are named .jpg beside panoptic PNGs; the squares are the only segments."""
    names = [f"{t:05d}.png" for t in range(LENGTH)]
    records = []
    for t, name in enumerate(names):
        target = tmp_path / "images" / "v" / name
        write_png(target, frame(t))
        target.rename(target.with_suffix(".jpg"))
        ids = np.where(frame(t)[..., 0] > 0, 7, np.where(frame(t)[..., 1] > 0, 8, 0))
        save_ids(tmp_path / "panomasksRGB" / "v" / name, ids)
        segments = [{"id": 7, "category_id": 3, "iscrowd": 0}, {"id": 8, "category_id": 5, "iscrowd": 0}]
        records.append({"file_name": name, "segments_info": segments})
    content = {
        "categories": [{**category, "isthing": 1} for category in CATEGORIES],
        "videos": [{"video_id": "v", "images": [{"file_name": name} for name in names]}],
        "annotations": [{"video_id": "v", "annotations": records}],
    }
    path = tmp_path / "panoptic_gt_VIPSeg_val.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(("interval", "keyframes"), [(1, 6), (3, 2), (4, 2)])
def test_keyframes_are_counted(interval: int, keyframes: int, ytvis: Path, tmp_path: Path) -> None:
    segmenter = VideoSegmenter(ColorArtefact(), keyframe_interval=interval)
    result = run_accuracy(segmenter, "ytvis", ytvis, tmp_path / "results.json")
    assert result.counts["keyframes"] == keyframes


def test_ytvis(segmenter: VideoSegmenter, ytvis: Path, tmp_path: Path) -> None:
    result = run_accuracy(segmenter, "ytvis", ytvis, tmp_path / "results.json")
    assert result.metrics["AP50"] == pytest.approx(1.0)
    assert result.counts == {"videos": 1, "frames": LENGTH, "annotations": 2, "results": 2, "keyframes": 2}
    records = json.loads((tmp_path / "results.json").read_text())
    assert {record["category_id"] for record in records} == {3, 5}


def test_coco_images_may_differ_in_size(segmenter: VideoSegmenter, coco: Path, tmp_path: Path) -> None:
    result = run_accuracy(segmenter, "coco", coco, tmp_path / "results.json")
    assert result.metrics["AP50"] == pytest.approx(1.0)
    assert result.counts["results"] == 4


@pytest.mark.parametrize(("metric", "figure"), [("vpq", "VPQ"), ("stq", "AQ")])
def test_panoptic(segmenter: VideoSegmenter, vipseg: Path, tmp_path: Path, metric: str, figure: str) -> None:
    result = run_accuracy(segmenter, metric, vipseg, tmp_path / "out" / "pred.json")
    # Masks of a quarter of the network's resolution are off by a pixel along their edges.
    assert 0.5 < result.metrics[figure] < 1.0
    assert len(list((tmp_path / "out" / "pan_pred" / "v").glob("*.png"))) == LENGTH


def test_the_vpq_is_that_of_the_files_that_run_writes(vipseg: Path, tmp_path: Path) -> None:
    # The network of the tests orders its queries anew for every call, so each run has its own.
    segmenter, again = (VideoSegmenter(ColorArtefact(), keyframe_interval=3) for _ in range(2))
    measured, written = tmp_path / "measured", tmp_path / "written"
    run_accuracy(segmenter, "vpq", vipseg, measured / "pred.json")
    for t in range(LENGTH):
        write_png(tmp_path / "v" / f"{t:05d}.png", frame(t))
    source = open_source(tmp_path / "v")
    sink = PanopticResults(written, again.metadata.classes, "v", source.frame_name)
    run_stream(again, source, [sink])
    assert json.loads((measured / "pred.json").read_text()) == json.loads((written / "pred.json").read_text())
    for t in range(LENGTH):
        png = f"pan_pred/v/{t:05d}.png"
        assert (measured / png).read_bytes() == (written / png).read_bytes()


def test_other_classes_are_refused(segmenter: VideoSegmenter, ytvis: Path, tmp_path: Path) -> None:
    ytvis.write_text(ytvis.read_text().replace('"green"', '"lime"'))
    with pytest.raises(UserError, match="class 5 is green; the data set calls category 5 lime"):
        run_accuracy(segmenter, "ytvis", ytvis, tmp_path / "results.json")
    assert not (tmp_path / "results.json").exists()


def test_a_missing_frame_ends_the_evaluation(segmenter: VideoSegmenter, ytvis: Path, tmp_path: Path) -> None:
    (tmp_path / "JPEGImages" / "v" / "00003.png").unlink()
    with pytest.raises(UserError, match=r"00003\.png"):
        run_accuracy(segmenter, "ytvis", ytvis, tmp_path / "results.json")
    assert not (tmp_path / "results.json").exists()


def test_frames_of_another_size_than_annotated_are_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "0.png", frame(0))
    with pytest.raises(UserError, match="90x150"):
        list(DatasetFrames("v", [tmp_path / "0.png"], (100, 150)))


def test_an_unknown_metric_lists_the_known(segmenter: VideoSegmenter, ytvis: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="coco, neighbours, stq, vpq, ytvis"):
        run_accuracy(segmenter, "map", ytvis, tmp_path / "results.json")


def test_the_segmenters_options_are_complete_and_those_that_it_runs_with() -> None:
    options = VideoSegmenter(ColorArtefact(), association="online").options
    assert options["association"] == "online"
    assert options["keyframe_interval"] == ColorArtefact().metadata.options["keyframe_interval"]
    assert VideoSegmenter(ColorArtefact(), **options).options == options


def test_ap_takes_a_lower_threshold_than_a_viewer_wants() -> None:
    viewers = VideoSegmenter(ColorArtefact()).options["score_threshold"]
    assert default_options("ytvis")["score_threshold"] < viewers
    assert default_options("vpq") == {}
