"""Training beside a larger model of the same decoders, whose mask features and masks are the goal. Ours.

Kernels and mask features of both have one space, so that the teacher's kernels can be asked for masks on the
pupil's features: a lighter mask decoder learns what a trained one makes of the same frame, without labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.mobileinst.mobileinst import MobileInst
from mobilevis.models.weights.bundled import find_weights
from mobilevis.models.weights.checkpoint import load_checkpoint
from mobilevis.training.objectives.base import LossWeights, Objective
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.propagation import (
    BEST_KERNELS,
    DICE,
    PIXEL,
    feature_distance,
    mask_distances,
)


@dataclass(frozen=True)
class TeacherLoss(LossWeights):
    """What the ``[objective]`` table says of a teacher.

    Attributes:
        teacher: weights that ship, by name, or a checkpoint, of a MobileInst with as many channels: its mask
            features and masks are learned; "" for none.
        taught: factor of these terms.
        taught_only: train nothing but the mask decoder, by these terms alone: labels are not looked at.
    """

    teacher: str = ""
    taught: float = 1.0
    taught_only: bool = False


def load_teacher(name: str, pupil: MobileInst) -> MobileInst:
    """The model of weights that ship, by name, or of a checkpoint's path.

    Raises:
        ValueError: it is no MobileInst with the pupil's number of channels.
        UserError: the file cannot be read.
    """
    teacher = load_checkpoint(find_weights(name)).model
    if not isinstance(teacher, MobileInst) or teacher.dim != pupil.dim:
        raise ValueError(f"objective.teacher must be a MobileInst with {pupil.dim} channels")
    return teacher


def taught_terms(
    teacher: MobileInst, frames: Tensor, mask_features: Tensor, factor: float
) -> dict[str, Tensor]:
    """How far mask features are from the teacher's, and the masks of its kernels on the one and the other.

    Args:
        teacher: frozen.
        frames: (B, 3, H, W), RGB in [0, 255].
        mask_features: (B, D, H/8, W/8), the pupil's.
        factor: of all terms.

    Returns:
        The terms ``taught_features``, ``taught_dice`` and ``taught_pixel``.
    """
    with torch.no_grad():
        features = teacher.named_features(frames)
        kernels, scores = teacher.best_kernels(features, BEST_KERNELS)
    wanted = features["mask_features"]
    dice, pixel = mask_distances(mask_features, wanted, kernels, scores)
    terms = {
        "taught_features": feature_distance(mask_features, wanted),
        "taught_dice": DICE * dice,
        "taught_pixel": PIXEL * pixel,
    }
    return {name: factor * term for name, term in terms.items()}


class TaughtObjective(Objective):
    """The training loss of a mask decoder alone; the rest of the model is frozen.

    Args:
        model: whose other parts are trained, the teacher's as a rule.
        weights: of the terms.
        length: frames of a sample; they do not know of one another.

    Raises:
        ValueError: there is no teacher, or none that fits.
    """

    model: MobileInst
    weights: TeacherLoss

    def __init__(self, model: MobileInst, weights: TeacherLoss, length: int = 1) -> None:
        super().__init__(model, weights, length)
        if not weights.teacher:
            raise ValueError("objective.taught_only needs objective.teacher")
        self.teacher = load_teacher(weights.teacher, model)
        self.freeze(self.teacher)
        self.train_only("mask_decoder")

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """(B, 3, H, W) frames → the weighted terms; no target is read."""
        mask_features, _ = self.model.encode(frames)
        return taught_terms(self.teacher, frames, mask_features, self.weights.taught)
