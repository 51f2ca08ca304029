"""MobileInst's training: single frames (Eq. 3), or pairs of frames by query passing (§3.5, Fig. 4).

Two frames of one video, t and t + δ. The queries Q_G of frame t, as they leave the global decoder, enter the
local decoder with the features of frame t + δ; the masks that follow are supervised with the masks of t + δ
for the instances that frame t's queries were assigned to. Both frames also have their ordinary losses.

The paper leaves open what becomes of an instance that frame t + δ does not show. Its query must fall silent
there, as a kernel that is reused after its object has left must: so it keeps the pixel loss against an empty
mask. It has no dice loss, which is constant on an empty mask.

On the device kernels are reused (§3.4): those of frame t meet the mask features of frame t + δ without the
local decoder between them, which query passing does not train. ``reused`` supervises just that; it is ours,
and off by default. Where a light encoder serves between keyframes, ``propagated`` supervises frame t's
kernels on what it makes of frame t + δ, and ``distilled`` these features themselves. A ``teacher`` may show
what mask features it has (``training/objectives/teacher.py``), a detector what it sees in each cell
(``training/objectives/hints.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.mobileinst.mobileinst import MobileInst, MobileInstOutput
from mobilevis.training.objectives import losses
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.criterion import instance_count
from mobilevis.training.objectives.hints import FeatureHints, HintLoss, load_detector
from mobilevis.training.objectives.matcher import Assignment, Target
from mobilevis.training.objectives.propagation import (
    PropagationLoss,
    PropagationObjective,
    feature_distance,
    require_propagation,
)
from mobilevis.training.objectives.semantic import QueryClassHead, SemanticHead
from mobilevis.training.objectives.sparseinst import SparseInstLoss, frame_losses
from mobilevis.training.objectives.teacher import TaughtObjective, TeacherLoss, load_teacher, taught_terms


@dataclass(frozen=True)
class MobileInstLoss(SparseInstLoss, PropagationLoss, TeacherLoss, HintLoss):
    """Weights of the loss, and whether it is that of single frames or of pairs.

    Attributes:
        semantic: of a training-only head of ours, which names the class of each cell of the mask features.
        query_classes: of another one, which names the class of every query whose mask lies on an object.
        pairs: train on pairs of frames by query passing instead of single ones; the data must be videos.
        max_gap: of pairs: largest |δ| in frames; 0 takes any two frames of a video.
        passed: of pairs: factor of the mask losses of the passed queries.
        reused: of pairs: factor of the mask losses of frame t's kernels in frame t + δ, which are ours.
    """

    semantic: float = 0.0
    query_classes: float = 0.0
    pairs: bool = False
    max_gap: int = 0
    passed: float = 1.0
    reused: float = 0.0


class MobileInstObjective(Objective):
    """The training loss of single frames (Eq. 3), and of the heads whose weights are above 0.

    Args:
        model: the network.
        weights: of the terms.
        length: frames of a sample; they do not know of one another.
    """

    model: MobileInst
    weights: MobileInstLoss

    def __init__(self, model: MobileInst, weights: MobileInstLoss, length: int = 1) -> None:
        super().__init__(model, weights, length)
        self.semantic_head = SemanticHead(model.dim, model.num_classes) if weights.semantic else None
        self.query_head = QueryClassHead(model.dim, model.num_classes) if weights.query_classes else None
        self.teacher = load_teacher(weights.teacher, model) if weights.teacher else None
        if self.teacher is not None:
            self.freeze(self.teacher)
        source = weights.hints_from
        self.hints = FeatureHints(load_detector(source), model.dim) if source else None
        if self.hints is not None:
            self.freeze(self.hints.detector)

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """(B, 3, H, W) frames and B targets to the weighted terms, whose sum is the loss."""
        return self.frame_terms(frames, targets)[0]

    def frame_terms(
        self, frames: Tensor, targets: Sequence[Target]
    ) -> tuple[dict[str, Tensor], MobileInstOutput, list[Assignment]]:
        """The weighted terms, with the model's output and the assignments that they came from."""
        outputs = self.model(frames)
        terms, assignments = frame_losses(outputs, targets, self.weights)
        if self.semantic_head is not None:
            terms["semantic"] = self.weights.semantic * self.semantic_head(outputs.mask_features, targets)
        if self.query_head is not None:
            loss = self.query_head(outputs.queries, outputs.mask_logits, targets)
            terms["query_classes"] = self.weights.query_classes * loss
        if self.teacher is not None:
            terms |= taught_terms(self.teacher, frames, outputs.mask_features, self.weights.taught)
        if self.hints is not None:
            terms["hints"] = self.weights.hints * self.hints(frames, outputs.mask_features)
        return terms, outputs, assignments


class PairObjective(MobileInstObjective):
    """The training loss of pairs of frames: Eq. 3 on each frame, and the mask losses of the passed queries.

    Args:
        model: the network; its instance decoder must have a second stage to pass the queries to.
        weights: of the terms.
        length: 1; the second frame is drawn within ``max_gap``.

    Raises:
        ValueError: the instance decoder has one stage only, or a sample is to be a clip.
    """

    def __init__(self, model: MobileInst, weights: MobileInstLoss, length: int = 1) -> None:
        super().__init__(model, weights, length)
        if length > 1:
            raise ValueError("objective.pairs and clip.length exclude each other")
        if len(model.instance_decoder.stages) < 2:
            raise ValueError("objective.pairs needs an instance decoder of two stages")
        for key in ("propagated", "distilled"):
            if getattr(weights, key):
                require_propagation(model, key)
        self.pair_gap = weights.max_gap

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses of B pairs.

        Args:
            frames: (2·B, 3, H, W): the B frames t, then the B frames t + δ.
            targets: 2·B, in the same order; identities link the two frames of a pair.

        Returns:
            The weighted terms of all 2·B frames, ``passed_dice`` and ``passed_pixel``; ``reused_dice`` and
            ``reused_pixel`` where ``reused`` is above 0; ``propagated_dice``, ``propagated_pixel`` and
            ``distilled`` likewise.
        """
        terms, outputs, assignments = self.frame_terms(frames, targets)
        pairs = len(targets) // 2
        later = outputs.mask_features[pairs:]
        passed = self.model.decode_from_queries(
            outputs.passing_queries[:pairs], later, outputs.global_features[pairs:]
        )
        weights = self.weights
        meetings = {"passed": (weights.passed, passed.kernels, later)}
        if weights.reused:
            meetings["reused"] = (weights.reused, outputs.kernels[:pairs], later)
        if weights.propagated or weights.distilled:
            propagated = self.model.propagate(frames[pairs:], outputs.mask_features[:pairs])
            if weights.propagated:
                meetings["propagated"] = (weights.propagated, outputs.kernels[:pairs], propagated)
            if weights.distilled:
                terms["distilled"] = weights.distilled * feature_distance(propagated, later)
        for name, (weight, earlier, features) in meetings.items():
            masks = self.model.segment(earlier, features)
            dice, pixel = later_mask_losses(
                masks, assignments[:pairs], targets[:pairs], targets[pairs:], self.weights
            )
            terms |= {f"{name}_dice": weight * dice, f"{name}_pixel": weight * pixel}
        return terms


def create_objective(model: MobileInst, weights: MobileInstLoss, length: int = 1) -> Objective:
    """The objective of one part alone or of pairs, where the weights ask for one, or of single frames.

    Raises:
        ValueError: the model or the length of a sample does not fit.
    """
    if weights.propagation_only:
        return PropagationObjective(model, weights, length)
    if weights.taught_only:
        return TaughtObjective(model, weights, length)
    return (PairObjective if weights.pairs else MobileInstObjective)(model, weights, length)


def later_mask_losses(
    mask_logits: Tensor,
    assignments: Sequence[Assignment],
    targets: Sequence[Target],
    later_targets: Sequence[Target],
    weights: SparseInstLoss,
) -> tuple[Tensor, Tensor]:
    """Mask losses in frame t + δ of what frame t passed to it, queries or kernels.

    Args:
        mask_logits: (B, N, h, w), in frame t + δ, of frame t's queries or kernels.
        assignments: of the queries to ``targets`` in frame t.
        targets: of frame t.
        later_targets: of frame t + δ.
        weights: of the dice and pixel terms.

    Returns:
        The dice loss over the instances that frame t + δ shows and the pixel loss over all, both divided by
        the number of assigned instances.
    """
    carried = [carry(*items) for items in zip(assignments, targets, later_targets)]
    masks = torch.cat([masks for masks, _ in carried]).flatten(1)
    present = torch.cat([present for _, present in carried])
    rows = [row[assignment.queries] for row, assignment in zip(mask_logits, assignments)]
    logits = torch.cat(rows).flatten(1).float()
    count = instance_count(len(logits), logits.device)
    dice = weights.dice * (losses.dice_loss(logits, masks) * present).sum() / count
    return dice, weights.pixel * losses.pixel_loss(logits, masks).sum() / count


def carry(assignment: Assignment, target: Target, later: Target) -> tuple[Tensor, Tensor]:
    """Frame t's assigned instances as frame t + δ shows them.

    Returns:
        Their masks (K, h, w), all 0 where the instance is absent, and (K,) bool: whether it is present.
    """
    same = target.identities[assignment.instances][:, None] == later.identities[None]
    masks = torch.einsum("km,mhw->khw", same.to(later.masks.dtype), later.masks)
    return masks, same.any(1)
