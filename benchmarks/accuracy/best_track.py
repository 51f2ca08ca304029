"""How well one object of a real clip is followed: J of the best track, and its identity switches.

A clip is a folder with ``frames/NNNNN.jpg`` and ``ids/NNNNN.png``, as DAVIS 2016 (Perazzi et al., 2016) has
them: one annotated object, other objects of its class are not annotated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilevis.data.images import read_image
from mobilevis.runtime.files import atomic_path
from mobilevis.runtime.keyframes import FIXED, KEYFRAME_POLICIES
from mobilevis.runtime.masks import mask_iou
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import open_source

HELD_IOU = 0.5  # a track holds the object in a frame from this IoU on


@dataclass(frozen=True)
class Followed:
    """One clip.

    Attributes:
        region: J, the mean IoU of the best single track with the object over all frames that show it.
        switches: how often the track that holds the object changes.
        held: the part of the frames in which a track holds it.
    """

    region: float
    switches: int
    held: float


def follow(segmenter: VideoSegmenter, clip: Path) -> Followed:
    """Stream a clip and compare.

    Raises:
        UserError: a mask is missing, no image, or of another size than its frame.
    """
    overlaps = []
    with open_source(clip / "frames") as source:
        for index, frame in enumerate(source):
            size = (frame.shape[0], frame.shape[1])
            truth = np.asarray(read_image(clip / "ids" / f"{index:05d}.png", size).any(axis=2))
            result = segmenter.process(frame)
            if truth.any():
                own = {i.track_id: mask_iou(i.full_mask()[None], truth[None]) for i in result.instances}
                overlaps.append({track: float(iou[0, 0]) for track, iou in own.items()})
    return judge(overlaps)


def judge(overlaps: Sequence[Mapping[int, float]]) -> Followed:
    """From each frame's {track: IoU with the object}."""
    tracks = {track for frame in overlaps for track in frame}
    means = [float(np.mean([frame.get(track, 0.0) for frame in overlaps])) for track in tracks]
    best = [
        max(frame, key=frame.__getitem__) for frame in overlaps if frame and max(frame.values()) >= HELD_IOU
    ]
    switches = sum(first != second for first, second in zip(best, best[1:]))
    return Followed(max(means, default=0.0), switches, len(best) / max(1, len(overlaps)))


def main() -> None:
    """``python -m mobilevis.benchmarks.accuracy.best_track ARTEFACT CLIP… --json FILE``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("artefact", type=Path)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("-T", "--keyframe-interval", type=int, action="append")
    parser.add_argument("--keyframe-policy", choices=KEYFRAME_POLICIES, default=FIXED)
    parser.add_argument("--association", default="appearance")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    record: dict[str, object] = {"kind": "mobilevis.best-track", "association": arguments.association}
    for interval in arguments.keyframe_interval or [1, 3]:
        segmenters = {
            clip: VideoSegmenter(
                arguments.artefact,
                keyframe_interval=interval,
                keyframe_policy=arguments.keyframe_policy,
                association=arguments.association,
            )
            for clip in arguments.clips
        }
        found = {clip.name: vars(follow(segmenter, clip)) for clip, segmenter in segmenters.items()}
        mean = {key: float(np.mean([clip[key] for clip in found.values()])) for key in ("region", "switches")}
        record[f"T = {interval}"] = {"mean": mean, "clips": found}
        print(f"T = {interval}: J {mean['region']:.3f}, {mean['switches']:.2f} switches a clip")
    with atomic_path(arguments.json) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
