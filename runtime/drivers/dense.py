"""The driver of MobileInst with dense kernels: MobileInst's streaming, a detector's cells as instances.

On keyframes the client chooses cells; on the frames between, a reused kernel's place is its object's box of
the frame, or follows its last mask where the detector misses it. The features say what belongs to such an
object, the place says which one: in a trial, a kernel eight frames old had an IoU of .61 with the fresh mask
where the place stayed behind, .94 where it went along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mobilevis.runtime import cells
from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.camera_watch import CameraWatch
from mobilevis.runtime.association.follower import FrameMasks
from mobilevis.runtime.association.regions import Region
from mobilevis.runtime.drivers.frames import Features, Selection
from mobilevis.runtime.drivers.mobileinst import MobileInstDriver, MobileInstOptions
from mobilevis.runtime.drivers.mobileinst_facts import check_cells, check_streaming
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.patches import CellDescriber, CellScorer
from mobilevis.runtime.places import PlacedKernels
from mobilevis.runtime.results import Instance
from mobilevis.runtime.stages import Stages


@dataclass(frozen=True)
class DenseOptions(MobileInstOptions):
    """How a MobileInst artefact with dense kernels is run; see ``MobileInstOptions``.

    Attributes:
        keyframe_interval, keyframe_policy: as ``MobileInstOptions`` has them.
        association: as ``MobileInstOptions`` has it, but for ``slots``, which needs queries; ``online``
            compares embeddings.
        mask_threshold: foreground probability of a mask pixel; masks learned from few pictures are too small
            at 0.5, which costs 0.6 AP.
        part_masks: as ``MobileInstOptions`` has it; persons who cross claim a good part of each other.
        nms_iou: a cell is dropped for a better one of its class whose box overlaps it by more.
    """

    association: str = "online"
    mask_threshold: float = 0.4
    part_masks: bool = True
    nms_iou: float = 0.65

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.association == "slots":
            raise ValueError("association slots needs queries: take another")
        if not 0.0 < self.nms_iou <= 1.0:
            raise ValueError(f"nms_iou is {self.nms_iou}, it lies in (0, 1]")


class DenseDriver(MobileInstDriver):
    """Runs the entries as ``MobileInstDriver`` does.

    A frame that is propagated has no boxes of its own: pictures tell how the camera moves, and ``segment``
    runs on it twice, so that its first masks say where the objects are.
    """

    options: DenseOptions
    # Suppression has parted the objects of a class, so that only one thing's two classes are left to fuse: at
    # 0.4, 4 % of the persons in a crowd were lost to a neighbour.
    same_object_iou = 0.7
    # With 0.7 a car in eight real clips was two for a frame, and a dancer, at T = 3 and 4.
    still_one_iou = 0.35
    # Of 80 classes a detector takes one for the next: a dog is a sheep, a cat, a bear and a cow in one clip.
    class_weight = 0.2
    # What masks seem to move by beyond it is mostly the doubt of their edges: of the objects with a rival in
    # ten real clips .959 keep their identity from one frame to the next so, .941 if they have speeds, too.
    follows_camera = True
    # Persons in like clothes: before pictures told the camera's step, of the objects with a rival in ten real
    # clips .925 kept their identity over four frames so, over one, two and eight .970, .942 and .915; without
    # .906, and .967, .938 and .915.
    embedding_weight = 0.5
    place_channels = cells.PLACE_CHANNELS
    _camera: CameraWatch  # as it follows the camera

    def __init__(self, artefact: Artefact, options: DenseOptions) -> None:
        self._finder = ObjectFinder(artefact, options.score_threshold, options.nms_iou)
        super().__init__(artefact, options)

    def _check(self, facts: Facts) -> None:
        check_streaming(facts)
        check_cells(facts)

    def reset(self) -> None:
        """Forget the video."""
        super().reset()
        self._regions: list[Region] = []  # of the last frame's masks

    def _decode(self, features: Features, stages: Stages) -> None:
        found = self._finder.find(features, self._selection, stages)
        with stages("association"):
            order = self._follower.on_keyframe(found.embeddings, found.scores)
        self._objects = PlacedKernels(found.kernels[order], found.boxes[order])
        self._looks_first = False

    def _reuse(self, features: Features, stages: Stages) -> None:
        with stages("selection"):
            if not self._propagates:
                self._objects.go_on(features)
            elif len(self._objects):
                self._objects.go_on_with(self._camera.look().motion, self._regions, self._stride)
        self._looks_first = self._propagates

    def _segment(self, mask_features: Array, letterbox: Letterbox, stages: Stages) -> tuple[Instance, ...]:
        objects = self._objects
        if not len(objects):
            self._follower.on_no_masks()
            return ()
        content = letterbox.content_cells(self._stride)
        if self._looks_first:
            logits = self._segment_objects(mask_features, stages)
            with stages("masks"):
                objects.look(*objects.find_tight(logits, self._mask_logit, content))
        logits = self._segment_objects(mask_features, stages)
        with stages("masks"):
            learned = mask_features[:, : -self.place_channels]
            cut = objects.cut(logits, self._mask_logit)
            masks = FrameMasks(cut, content, learned, self._mask_logit)
            if not self._propagates:
                tight = [shown.region.box for shown in masks.foregrounds]
                objects.see(*cells.as_fractions(tight, cut.shape[1:]))
            else:
                self._regions = [shown.region for shown in masks.foregrounds]
                if not self._looks_first:
                    objects.see(*objects.find_tight(logits, self._mask_logit, content))
                    self._camera.look()  # what the next frame is compared with
        return self._follow(masks, letterbox, stages)

    def _segment_objects(self, mask_features: Array, stages: Stages) -> Array:
        with stages("segment"):
            return segment_kernels(self._artefact, self._selection, self._objects.kernels, mask_features)


class FoundObjects(NamedTuple):
    """The S objects of a frame, by falling score.

    Attributes:
        kernels: (S, D + 5).
        embeddings: (S, E).
        scores: (S, C) in [0, 1].
        boxes: (S, 4), fractions of the input.
    """

    kernels: Array
    embeddings: Array
    scores: Array
    boxes: Array


class ObjectFinder:
    """Scores the likely cells of a frame, chooses those that show an object and describes them.

    Args:
        artefact: of a model with dense kernels.
        least_score: cells below it show nothing.
        nms_iou: a cell is dropped for a better one of its class whose box overlaps it by more.

    Raises:
        UnfitArtefactError: the artefact has no such entries.
    """

    def __init__(self, artefact: Artefact, least_score: float, nms_iou: float) -> None:
        self._scorer, self._describer = CellScorer(artefact), CellDescriber(artefact)
        self._least_score, self._nms_iou = least_score, nms_iou

    def find(self, features: Features, selection: Selection, stages: Stages) -> FoundObjects:
        """The objects of a frame, as the stages ``selection``, ``decode`` and ``describe``.

        Args:
            features: what ``encode`` says of it.
            selection: which classes are kept, and how many objects; it is told the scores.
            stages: of the frame.
        """
        with stages("selection"):
            objectness = features["objectness"][0]
            fewest = self._scorer.cells_at_once  # of which at least it is known how sure the network is
            likely = cells.find_likely(objectness[:, 0], self._least_score, fewest)
        with stages("decode"):
            scores = self._scorer.run(features, likely, objectness[likely])["scores"]
        with stages("selection"):
            selection.watch(scores)
            scores, boxes = selection.drop_classes(scores), features["boxes"][0][likely]
            most = selection.max_instances
            chosen = cells.choose_cells(scores, boxes, self._least_score, self._nms_iou, most)
            scores, boxes, chosen = scores[chosen], boxes[chosen], likely[chosen]
        with stages("describe"):
            described = self._describer.run(features, chosen, boxes)
        return FoundObjects(described["kernels"], described["embeddings"], scores, boxes)


def segment_kernels(artefact: Artefact, selection: Selection, kernels: Array, mask_features: Array) -> Array:
    """``segment`` of S ≥ 1 kernels (S, D + 5) on a frame's mask features: logits (S, h, w), not yet cut."""
    inputs = {"kernels": selection.pad(kernels)[None], "mask_features": mask_features}
    return artefact.run("segment", inputs)["mask_logits"][0, : len(kernels)]
