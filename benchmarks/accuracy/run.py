"""Run an artefact over a data set through the streaming runtime, and evaluate what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Protocol, Union

from mobilevis.benchmarks.accuracy.evaluate import evaluate
from mobilevis.benchmarks.accuracy.metrics import find_metric
from mobilevis.benchmarks.accuracy.result import AccuracyResult, ProgressBar
from mobilevis.benchmarks.accuracy.sets import open_coco, open_vipseg, open_ytvis
from mobilevis.data.coco import save_coco_results
from mobilevis.data.datasets import ImageResult, VideoResult
from mobilevis.data.records import write_json
from mobilevis.data.ytvis import save_ytvis_results
from mobilevis.runtime import rle
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, disk_errors, file_exists
from mobilevis.runtime.metadata import Metadata
from mobilevis.runtime.outputs import check_outputs
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.sources import Source
from mobilevis.runtime.track_spool import TrackSpool
from mobilevis.runtime.vipseg import SUBMISSION_FOLDER, write_video


class Segmenter(Protocol):
    """What predictors ask of a segmenter; ``VideoSegmenter`` is one."""

    @property
    def metadata(self) -> Metadata:
        """The artefact's."""
        ...

    def stream(self, source: Source) -> Iterator[tuple[Image, FrameResult]]:
        """Run a whole video from its start: each frame, (H, W, 3) uint8 RGB, with its result."""
        ...


class CountingSegmenter:
    """Counts the keyframes of what it streams: AP is worth what it costs.

    Args:
        segmenter: streams.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self.metadata = segmenter.metadata
        self.keyframes = 0

    def stream(self, source: Source) -> Iterator[tuple[Image, FrameResult]]:
        """See ``Segmenter``."""
        for frame, result in self._segmenter.stream(source):
            self.keyframes += result.is_keyframe
            yield frame, result


def run_accuracy(
    segmenter: Segmenter,
    metric: str,
    gt: Union[str, Path],
    results: Union[str, Path],
    images: Optional[Path] = None,
    progress: ProgressBar = iter,
    strict: bool = False,
) -> AccuracyResult:
    """Segment a data set, write the results and evaluate them.

    Args:
        segmenter: runs the artefact.
        metric: a name in ``METRICS``.
        gt: annotations in the metric's format.
        results: file to write in the metric's submission format; panoptic ones have ``pan_pred/`` beside.
        images: folder of the images; None looks where the published layouts have it.
        progress: wraps the loops over images or videos.
        strict: see ``evaluate``.

    Raises:
        UserError: the metric is unknown, the artefact's classes are not the data set's, a file is malformed,
            or an image is missing or of another size than the annotations say.
    """
    chosen = find_metric(metric)
    gt, results = Path(gt), Path(results)
    check_outputs({"--results": results}, {"the annotations": gt})
    if chosen.is_panoptic:
        refuse_foreign_folder(results.parent / SUBMISSION_FOLDER)
    with disk_errors(results):
        results.parent.mkdir(parents=True, exist_ok=True)
    counting = CountingSegmenter(segmenter)
    chosen.predict(counting, gt, images, results, progress)
    result = evaluate(metric, gt, results, progress, strict)
    return replace(result, counts={**result.counts, "keyframes": counting.keyframes})


def refuse_foreign_folder(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than a submission's videos of PNGs.

    Raises:
        UserError: a file or a folder of another kind is there.
    """
    if not file_exists(folder):
        return
    with disk_errors(folder):
        videos = list(folder.iterdir()) if folder.is_dir() else [folder]
        ours = all(v.is_dir() and all(f.suffix == ".png" for f in v.iterdir()) for v in videos)
    if not ours:
        raise UserError("this is there already, and no submission", folder, "name another --results")


def default_options(metric: str) -> dict[str, Any]:
    """What a metric asks of a driver unless the user chooses: AP, a low score threshold."""
    threshold = find_metric(metric).score_threshold
    return {} if threshold is None else {"score_threshold": threshold}


def predict_coco(
    segmenter: Segmenter, gt: Path, images: Optional[Path], results: Path, progress: ProgressBar
) -> None:
    """Segment every image as a video of one frame, and write COCO results."""
    classes = segmenter.metadata.classes
    found: list[ImageResult] = []
    for image, frame in progress(open_coco(gt, images, classes).videos):
        for _, result in segmenter.stream(frame):
            found += [
                ImageResult(
                    image.id,
                    classes[item.class_index].id,
                    item.score,
                    rle.encode_in_box(item.box_mask, item.box, item.frame_size),
                )
                for item in result.instances
            ]
    save_coco_results(found, results)


def predict_ytvis(
    segmenter: Segmenter, gt: Path, images: Optional[Path], results: Path, progress: ProgressBar
) -> None:
    """Segment and track every video, and write YouTube-VIS results."""
    found: list[VideoResult] = []
    for video, frames in progress(open_ytvis(gt, images, segmenter.metadata.classes).videos):
        with track(segmenter, frames, results) as tracks:
            found += [
                VideoResult(**{**record, "segmentations": tuple(record["segmentations"])})
                for record in tracks.records(video.id)
            ]
    save_ytvis_results(found, results)


def predict_panoptic(
    segmenter: Segmenter, gt: Path, images: Optional[Path], results: Path, progress: ProgressBar
) -> None:
    """Segment and track every video, and write a VIPSeg submission.

    The files are those that ``mobilevis run --panoptic`` writes.
    """
    dataset = open_vipseg(gt, images, segmenter.metadata.classes)
    annotations = []
    with atomic_path(results.parent / SUBMISSION_FOLDER, directory=True) as target:
        for video, frames in progress(dataset.videos):
            with track(segmenter, frames, results) as tracks:
                records = write_video(tracks, [frame.name for frame in video.frames], target / video.id)
            annotations.append({"video_id": video.id, "annotations": records})
    write_json(results, {"annotations": annotations})


@contextmanager
def track(segmenter: Segmenter, frames: Source, beside: Path) -> Iterator[TrackSpool]:
    """The tracks of one video, as the runtime's own results files hold them.

    Args:
        segmenter: runs the artefact.
        frames: the video.
        beside: masks wait in a temporary file beside this one.
    """
    tracks = TrackSpool(segmenter.metadata.classes, beside)
    try:
        for _, result in segmenter.stream(frames):
            tracks.add(result)
        yield tracks
    finally:
        tracks.close()
