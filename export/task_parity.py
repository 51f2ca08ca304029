"""How far the instances that a reduced precision keeps are those of fp32: what a user sees of rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mobilevis.export.tolerances import TaskTolerance
from mobilevis.runtime.association.assignment import assign
from mobilevis.runtime.results import FrameResult, Instance

SAME_OBJECT = 0.5  # mask IoU; identities are not compared: one more track renumbers all later ones


@dataclass(frozen=True)
class TaskParity:
    """Kept instances of an artefact and of eager PyTorch at fp32, paired by class and mask frame by frame.

    Attributes:
        agreement: instances that have a partner, of all on both sides.
        mask_iou: mean intersection over union of partners' masks, at the source's resolution.
        box_iou: likewise of their boxes.
    """

    agreement: float
    mask_iou: float
    box_iou: float

    def failures(self, tolerance: TaskTolerance) -> list[str]:
        """What is out of tolerance, in words."""
        return [
            f"{what} {value:.3f}, least is {least}"
            for what, value, least in (
                ("kept instances agree to", self.agreement, tolerance.agreement),
                ("mean mask IoU", self.mask_iou, tolerance.mask_iou),
                ("mean box IoU", self.box_iou, tolerance.box_iou),
            )
            if not value >= least
        ]


def compare_tasks(expected: Sequence[FrameResult], actual: Sequence[FrameResult]) -> TaskParity:
    """Pair the instances of each frame; where neither side keeps any, they agree."""
    pairs = [pair for first, second in zip(expected, actual) for pair in _pair(first, second)]
    kept = sum(len(result.instances) for result in (*expected, *actual))
    return TaskParity(
        agreement=2 * len(pairs) / kept if kept else 1.0,
        mask_iou=float(np.mean([mask_iou(*pair) for pair in pairs])) if pairs else float(not kept),
        box_iou=float(np.mean([_box_iou(*pair) for pair in pairs])) if pairs else float(not kept),
    )


def _pair(expected: FrameResult, actual: FrameResult) -> list[tuple[Instance, Instance]]:
    """Instances of one class whose masks overlap by ``SAME_OBJECT``, each in one pair at most."""
    overlap = np.array(
        [
            [mask_iou(a, b) if a.class_index == b.class_index else 0.0 for b in actual.instances]
            for a in expected.instances
        ],
        dtype=np.float32,
    ).reshape(len(expected.instances), len(actual.instances))
    overlap[overlap < SAME_OBJECT] = 0.0
    return [
        (expected.instances[i], actual.instances[j]) for i, j in zip(*assign(overlap)) if overlap[i, j] > 0.0
    ]


def mask_iou(first: Instance, second: Instance) -> float:
    """Intersection over union of two masks of one frame; 1 where both are empty."""
    intersection = np.count_nonzero(first.full_mask() & second.full_mask())
    union = first.area + second.area - intersection
    return float(intersection / union) if union else 1.0


def _box_iou(first: Instance, second: Instance) -> float:
    a, b = np.array(first.box), np.array(second.box)
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)
