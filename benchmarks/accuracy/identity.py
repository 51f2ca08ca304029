"""What a model with dense kernels carries from frame to frame of real clips: kernels, and who is who.

Clips need no annotation of tracks: see ``box_pairs`` for what tells the objects of one frame in another.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mobilevis.benchmarks.accuracy.box_pairs import CLEAR_RATIO, join_steps, same_objects
from mobilevis.runtime import cells
from mobilevis.runtime.arrays import Array, Image
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.association.camera_watch import CameraWatch
from mobilevis.runtime.association.follower import Follower, FrameMasks
from mobilevis.runtime.association.kernels import cosine
from mobilevis.runtime.drivers.dense import DenseDriver, DenseOptions, ObjectFinder, segment_kernels
from mobilevis.runtime.drivers.frames import Features, FrameEncoder, Selection
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.files import atomic_path, sha256_of
from mobilevis.runtime.masks import logit, mask_iou
from mobilevis.runtime.places import PlacedKernels
from mobilevis.runtime.sources import open_source
from mobilevis.runtime.stages import Stages

GAPS = (1, 2, 4, 8)
SCORE = 0.35  # an object that a viewer would expect to be shown
LEAST_SCORE = 0.2  # of what the association is shown: all that is judged, whatever its mask scores
NMS_IOU = 0.6
STEP = 4  # frames from one t to the next

Identities = dict[int, int]  # of the objects of a frame, by their places in it


@dataclass
class Counts:
    """What was seen at one gap δ.

    Attributes:
        reused: IoU of each kernel of t, its place moved as the driver does, with the mask of t + δ.
        by_cosine: for each object with a rival of its class in t + δ, whether its embedding is likest.
        by_association: for the same objects, whether the association gives them one identity if it sees
            these two frames and no others.
        in_turn: the same, if it sees every frame of the clip.
        is_clear: for the same objects, whether boxes leave no doubt which is which.
    """

    reused: list[float] = field(default_factory=list)
    by_cosine: list[bool] = field(default_factory=list)
    by_association: list[bool] = field(default_factory=list)
    in_turn: list[bool] = field(default_factory=list)
    is_clear: list[bool] = field(default_factory=list)


@dataclass(frozen=True)
class Objects:
    """The S objects of one frame, by falling score.

    Attributes:
        kernels, embeddings: (S, D + 5) and (S, E).
        scores: (S, C).
        boxes: (S, 4), fractions of the input.
        masks: (S, h, w) logits, cut to their boxes.
        features: what ``encode`` says of the frame.
        content: rows and columns of the masks without the padding.
        picture: (H, W) uint8, the green of the network's input without its padding.
    """

    kernels: Array
    embeddings: Array
    scores: Array
    boxes: Array
    masks: Array
    features: Features
    content: tuple[int, int]
    picture: NDArray[np.uint8]

    @property
    def classes(self) -> NDArray[np.intp]:
        """(S,) class indices."""
        return self.scores.argmax(axis=1)


class ClipMeasure:
    """Measures one artefact on clips.

    Args:
        artefact: of a model with dense kernels.
        options: of its driver; the association is the one that is judged.
    """

    def __init__(self, artefact: Artefact, options: DenseOptions) -> None:
        self._artefact, self._options = artefact, options
        self._encoder = FrameEncoder(artefact)
        self._selection = Selection(artefact, options)
        self._finder = ObjectFinder(artefact, SCORE, NMS_IOU)
        self._stride = Facts(artefact.metadata).whole_number("mask_stride")
        self._mask_logit = logit(options.mask_threshold)

    def measure(self, frames: Sequence[Image]) -> dict[int, Counts]:
        """Gap δ → what a clip, (H, W, 3) uint8 RGB frames, adds."""
        seen = [self._look(frame) for frame in frames]
        steps, clear_steps = (
            [
                same_objects((first.boxes, second.boxes), (first.classes, second.classes), ratio)
                for first, second in zip(seen, seen[1:])
            ]
            for ratio in (1.0, CLEAR_RATIO)
        )
        found, ids = {gap: Counts() for gap in GAPS}, self._identities(*seen)
        for start in range(0, len(seen) - max(GAPS), STEP):
            first = seen[start]
            if not len(first.boxes):
                continue
            for gap, masks in self._reuse(first, seen[start + 1 : start + 1 + max(GAPS)]):
                partners = join_steps(steps[start : start + gap])
                clear = join_steps(clear_steps[start : start + gap])
                in_turn = (ids[start], ids[start + gap])
                self._compare(first, seen[start + gap], partners, clear, masks, in_turn, found[gap])
        return found

    def _look(self, frame: Image) -> Objects:
        features, letterbox = self._encoder.encode(frame, Stages())
        found = self._finder.find(features, self._selection, Stages())
        masks = self._segment(found.kernels, features["mask_features"])
        masks = cells.cut_to_boxes(masks, found.boxes, np.array(cells.BOX_MARGIN), self._mask_logit)
        content = letterbox.content_cells(self._stride)
        return Objects(*found, masks, features, content, self._encoder.picture.copy())

    def _segment(self, kernels: Array, mask_features: Array) -> Array:
        if not len(kernels):
            return np.zeros((0, *mask_features.shape[2:]), dtype=np.float32)
        return segment_kernels(self._artefact, self._selection, kernels, mask_features)

    def _reuse(self, first: Objects, later: Sequence[Objects]) -> Iterator[tuple[int, Array]]:
        """The masks of the first frame's kernels on the later ones, as the driver moves them: (δ, masks)."""
        objects = PlacedKernels(first.kernels, first.boxes)
        objects.see(*cells.tight_boxes(self._foreground(first.masks, first.content)))
        for gap, frame in enumerate(later, start=1):
            objects.go_on(frame.features)
            masks = self._segment(objects.kernels, frame.features["mask_features"])
            masks = objects.cut(masks, self._mask_logit)
            objects.see(*cells.tight_boxes(self._foreground(masks, frame.content)))
            if gap in GAPS:
                yield gap, masks

    def _foreground(self, masks: Array, content: tuple[int, int]) -> NDArray[np.bool_]:
        """Masks (S, h, w) of logits over the whole input; its padding shows nothing."""
        shown = masks > self._mask_logit
        shown[:, content[0] :], shown[:, :, content[1] :] = False, False
        return shown

    def _compare(
        self,
        first: Objects,
        later: Objects,
        partners: Mapping[int, int],
        clear: Mapping[int, int],
        reused: Array,
        in_turn: tuple[Identities, Identities],
        counts: Counts,
    ) -> None:
        alike = cosine(first.embeddings, later.embeddings)
        ids = self._identities(first, later)
        for own, other in partners.items():
            fresh = self._foreground(later.masks[other : other + 1], later.content)
            again = self._foreground(reused[own : own + 1], later.content)
            counts.reused.append(float(mask_iou(again, fresh)[0, 0]))
            rivals = np.flatnonzero(later.classes == later.classes[other])
            if len(rivals) > 1:
                counts.by_cosine.append(bool(rivals[alike[own, rivals].argmax()] == other))
                counts.by_association.append(ids[0].get(own, -1) == ids[1].get(other, -2))
                counts.in_turn.append(in_turn[0].get(own, -1) == in_turn[1].get(other, -2))
                counts.is_clear.append(own in clear)

    def _identities(self, *frames: Objects) -> list[Identities]:
        """What the association says of each frame if they follow directly."""
        camera = CameraWatch(self._artefact.metadata.input_size, tells_motion=False)
        follower = DenseDriver.make_follower(self._selection, self._options, camera)
        return [self._follow(follower, camera, frame) for frame in frames]

    def _follow(self, follower: Follower, camera: CameraWatch, frame: Objects) -> Identities:
        if not len(frame.boxes):
            follower.on_no_masks()
            return {}
        order = follower.on_keyframe(frame.embeddings, frame.scores)
        learned = frame.features["mask_features"][:, : -cells.PLACE_CHANNELS]
        camera.show(frame.picture)
        masks = FrameMasks(frame.masks[order], frame.content, learned, self._mask_logit)
        tracked = follower.on_masks(masks, Stages())
        rows, columns = frame.content
        # The association may fuse masks: an object is the one that its mask overlaps most.
        logits = np.asarray(tracked.logits, dtype=np.float32).reshape(-1, rows, columns)
        shared = mask_iou(logits > self._mask_logit, frame.masks[:, :rows, :columns] > self._mask_logit)
        return {int(shared[row].argmax()): int(identity) for row, identity in enumerate(tracked.ids)}


def join_counts(clips: Sequence[dict[int, Counts]]) -> dict[int, Counts]:
    """What several clips add up to."""
    joined = {gap: Counts() for gap in GAPS}
    for clip in clips:
        for gap, counts in clip.items():
            for name, values in vars(counts).items():
                getattr(joined[gap], name).extend(values)
    return joined


def summarise(found: dict[int, Counts]) -> dict[str, dict[str, float]]:
    """Gap δ → the means, how many objects had a rival of their class, and the same of the clear ones."""
    return {
        str(gap): {
            "reused": float(np.mean(counts.reused)),
            "by_cosine": float(np.mean(counts.by_cosine)),
            "by_association": float(np.mean(counts.by_association)),
            "in_turn": float(np.mean(counts.in_turn)),
            "objects": len(counts.reused),
            "rivals": len(counts.by_cosine),
            "clear_by_cosine": float(np.mean(np.compress(counts.is_clear, counts.by_cosine))),
            "clear_by_association": float(np.mean(np.compress(counts.is_clear, counts.by_association))),
            "clear_rivals": sum(counts.is_clear),
        }
        for gap, counts in found.items()
    }


def main() -> None:
    """``python -m mobilevis.benchmarks.accuracy.identity ARTEFACT CLIP… --json FILE``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("artefact", type=Path)
    parser.add_argument("clips", nargs="+", type=Path, help="videos, or folders of frames")
    parser.add_argument("--association", default="appearance")
    parser.add_argument("--frames", type=int, default=70, help="of each clip at most")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    artefact = load_artefact(arguments.artefact)
    kind = cast("type[DenseOptions]", DenseOptions.extend({"association": arguments.association}))
    options = kind(association=arguments.association, score_threshold=LEAST_SCORE)
    measure = ClipMeasure(artefact, options)
    found = []
    for clip in arguments.clips:
        with open_source(clip) as source:
            found.append(measure.measure(list(islice(source, arguments.frames))))
    record = {
        "kind": "mobilevis.identity",
        "artefact": {"file": artefact.path.name, "sha256": sha256_of(artefact.path)},
        "association": arguments.association,
        "clips": [str(Path(*clip.parts[-2:])) for clip in arguments.clips],
        "gaps": summarise(join_counts(found)),
    }
    with atomic_path(arguments.json) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
