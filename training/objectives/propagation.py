"""Training of the light encoder between keyframes: on clips, with ``encode`` as the teacher. Ours.

The keyframe's features and another frame go through the network, whose result is held to the features that
``encode`` has of that frame, and to the masks that kernels make of these. Each frame of a clip is once every
other one's keyframe, so that the teacher's work, as long as the pupil's, serves F − 1 times. Nothing here
reads labels, so that any pictures will do: a trained model learns its propagation on its user's own videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.mobileinst.kernel_model import KernelModel
from mobilevis.training.objectives import losses
from mobilevis.training.objectives.base import LossWeights, Objective, sum_terms
from mobilevis.training.objectives.matcher import Target

BEST_KERNELS = 10  # of a frame, whose masks are compared
# SparseInst weighs its mask losses so (``SparseInstLoss``).
DICE, PIXEL = 2.0, 5.0


@dataclass(frozen=True)
class PropagationLoss(LossWeights):
    """What the ``[objective]`` tables of models with ``propagation`` share.

    Attributes:
        propagated: factor of the mask losses on propagated features.
        distilled: factor of the distance of propagated features from those of ``encode``.
        propagation_only: train nothing but the propagation, of a model that is trained; masks are then held
            to those on the features of ``encode``, and annotations are not looked at.
    """

    propagated: float = 0.0
    distilled: float = 0.0
    propagation_only: bool = False


class PropagationObjective(Objective):
    """The training loss of the propagation alone; the rest of the model is frozen.

    Args:
        model: with propagation.
        weights: of the terms.
        length: F ≥ 2, frames of a sample.

    Raises:
        ValueError: the model has no propagation, both factors are 0, or a sample is a single frame.
    """

    model: KernelModel
    weights: PropagationLoss

    def __init__(self, model: KernelModel, weights: PropagationLoss, length: int = 1) -> None:
        super().__init__(model, weights, length)
        if length < 2:
            raise ValueError("objective.propagation_only needs clips: set clip.length to 2 or more")
        require_propagation(model, "propagation_only")
        if not weights.propagated and not weights.distilled:
            raise ValueError("objective.propagation_only needs objective.propagated or objective.distilled")
        self.train_only("propagation")

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """(F·B, 3, H, W), the first frames of B clips, then the second ones … → the weighted terms; no target
        is read."""
        model, weights, clips = self.model, self.weights, len(frames) // self.length
        with torch.no_grad():
            features = model.named_features(frames)
            kernels, scores = model.best_kernels(features, BEST_KERNELS)
        wanted = features["mask_features"]
        parts = []
        for step in range(1, self.length):
            keyframes = step * clips  # so far back in the batch, and around its end
            propagated = model.propagate(frames, wanted.roll(keyframes, 0))
            # A kernel that says where its object was is of no use where it went.
            back = 0 if model.kernels_hold_places else keyframes
            dice, pixel = mask_distances(propagated, wanted, kernels.roll(back, 0), scores.roll(back, 0))
            parts.append(
                {
                    "distilled": weights.distilled * feature_distance(propagated, wanted),
                    "propagated_dice": weights.propagated * DICE * dice,
                    "propagated_pixel": weights.propagated * PIXEL * pixel,
                }
            )
        return {name: term / len(parts) for name, term in sum_terms(parts).items()}


def require_propagation(model: KernelModel, key: str) -> None:
    """Raise ValueError, which names the key of ``[objective]``, unless the model has a propagation."""
    if model.propagation is None:
        raise ValueError(f"objective.{key} needs a model with propagation, whose names end in -propagate")


def feature_distance(features: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of mask features (B, D, h, w) from the teacher's, over the teacher's mean square."""
    wanted = teacher.detach().float()
    return (features.float() - wanted).square().mean() / wanted.square().mean()


def mask_distances(
    features: Tensor, teacher: Tensor, kernels: Tensor, scores: Tensor
) -> tuple[Tensor, Tensor]:
    """Dice and pixel losses of the masks that kernels make, held to the teacher's.

    Args:
        features: (B, D, h, w), mask features.
        teacher: (B, D, h, w).
        kernels: (B, n, D).
        scores: (B, n) in [0, 1]; a kernel counts by the square of its own, so that the many faint ones do not
            outweigh what is shown.

    Returns:
        Two scalars.
    """
    logits = torch.bmm(kernels, features.flatten(2)).float().flatten(0, 1)
    wanted = torch.bmm(kernels, teacher.flatten(2)).float().sigmoid().flatten(0, 1)
    share = (scores.square() / scores.square().sum().clamp(min=1e-6)).flatten()
    return (share * losses.dice_loss(logits, wanted)).sum(), (share * losses.pixel_loss(logits, wanted)).sum()
