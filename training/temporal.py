"""Temporal training by query passing (MobileInst §3.5, Fig. 4).

Two frames of one video, t and t + δ. The queries Q_G of frame t, as they leave the global decoder, enter the
local decoder with the features of frame t + δ; the masks that follow are supervised with the masks of t + δ
for the instances that frame t's queries were assigned to. Both frames also have their ordinary losses.

The paper leaves open what becomes of an instance that frame t + δ does not show. Its query must fall silent
there, as a kernel that is reused after its object has left must: so it keeps the pixel loss against an empty
mask. It has no dice loss, which is constant on an empty mask.

Tracks follow the cosine of kernels, for which the paper trains nothing. After 1,900 iterations on the
synthetic set a slot's kernels in neighbouring frames had a cosine of 0.99 whatever they showed, and 57 % of
the objects kept their identity from a frame to the next. ``contrast`` teaches it, as CTVIS (Ying et al., ICCV
2023) and IDOL (Wu et al., ECCV 2022) teach embeddings of their own; it is ours, and off by default.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.models.mobileinst import MobileInst
from mobilevis.training import losses
from mobilevis.training.config import LossConfig, TemporalConfig
from mobilevis.training.criterion import instance_count
from mobilevis.training.matcher import Assignment, Target
from mobilevis.training.objective import FrameObjective

# Divides cosines, which lie in [-1, 1], to give logits.
CONTRAST_TEMPERATURE = 0.1


class PairObjective(FrameObjective):
    """The training loss of pairs of frames: Eq. 3 on each frame, and the mask losses of the passed queries.

    Args:
        model: the network; its instance decoder must have a second stage to pass the queries to.
        weights: of the terms.
        temporal: weights of the passed queries' mask losses and of the contrastive loss.

    Raises:
        ValueError: the instance decoder has one stage only.
    """

    def __init__(
        self, model: MobileInst, weights: LossConfig, temporal: TemporalConfig = TemporalConfig()
    ) -> None:
        super().__init__(model, weights)
        if len(model.instance_decoder.stages) < 2:
            raise ValueError("temporal training needs an instance decoder of two stages")
        self.temporal = temporal

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses of B pairs.

        Args:
            frames: (2·B, 3, H, W): the B frames t, then the B frames t + δ.
            targets: 2·B, in the same order; identities link the two frames of a pair.

        Returns:
            The weighted terms of all 2·B frames, ``passed_dice``, ``passed_pixel``, and ``contrast`` where
            its weight is above 0.
        """
        terms, outputs, assignments = self.frame_terms(frames, targets)
        pairs = len(targets) // 2
        later = outputs.mask_features[pairs:]
        passed = self.model.decode_from_queries(
            outputs.passing_queries[:pairs], later, outputs.global_features[pairs:]
        )
        passed_terms = passed_losses(
            self.model.segment(passed.kernels, later),
            assignments[:pairs],
            targets[:pairs],
            targets[pairs:],
            self.weights,
        )
        terms |= {name: self.temporal.weight * term for name, term in passed_terms.items()}
        if self.temporal.contrast:
            terms["contrast"] = self.temporal.contrast * contrast_loss(outputs.kernels, assignments, targets)
        return terms


def passed_losses(
    mask_logits: Tensor,
    assignments: Sequence[Assignment],
    targets: Sequence[Target],
    later_targets: Sequence[Target],
    weights: LossConfig,
) -> dict[str, Tensor]:
    """Mask losses of the queries that frame t passed to frame t + δ.

    Args:
        mask_logits: (B, N, h, w), the passed queries' masks in frame t + δ.
        assignments: of the queries to ``targets`` in frame t.
        targets: of frame t.
        later_targets: of frame t + δ.
        weights: of the dice and pixel terms.

    Returns:
        ``passed_dice`` over the instances that frame t + δ shows, ``passed_pixel`` over all, both divided by
        the number of assigned instances.
    """
    carried = [carry(*items) for items in zip(assignments, targets, later_targets)]
    masks = torch.cat([masks for masks, _ in carried]).flatten(1)
    present = torch.cat([present for _, present in carried])
    rows = [row[assignment.queries] for row, assignment in zip(mask_logits, assignments)]
    logits = torch.cat(rows).flatten(1).float()
    count = instance_count(len(logits), logits.device)
    return {
        "passed_dice": weights.dice * (losses.dice_loss(logits, masks) * present).sum() / count,
        "passed_pixel": weights.pixel * losses.pixel_loss(logits, masks).sum() / count,
    }


def carry(assignment: Assignment, target: Target, later: Target) -> tuple[Tensor, Tensor]:
    """Frame t's assigned instances as frame t + δ shows them.

    Returns:
        Their masks (K, h, w), all 0 where the instance is absent, and (K,) bool: whether it is present.
    """
    same = target.identities[assignment.instances][:, None] == later.identities[None]
    masks = torch.einsum("km,mhw->khw", same.to(later.masks.dtype), later.masks)
    return masks, same.any(1)


def contrast_loss(kernels: Tensor, assignments: Sequence[Assignment], targets: Sequence[Target]) -> Tensor:
    """How hard it is to tell an instance's kernel in the other frame of its pair from that frame's N kernels.

    The mean cross-entropy of the cosines over their temperature, both ways, over the instances that both
    frames show: what the association's assignment decides by.

    Args:
        kernels: (2·B, N, D), of the B frames t, then of the B frames t + δ.
        assignments: 2·B, of queries to ``targets``.
        targets: 2·B.

    Returns:
        A scalar.
    """
    pairs = len(targets) // 2
    units = F.normalize(kernels.float(), dim=-1)
    logits, wanted = [], []
    for earlier in range(pairs):
        later = earlier + pairs
        first, second = same_instances(
            assignments[earlier], targets[earlier], assignments[later], targets[later]
        )
        cosines = units[earlier] @ units[later].T / CONTRAST_TEMPERATURE
        logits += [cosines[first], cosines.T[second]]
        wanted += [second, first]
    count = instance_count(sum(map(len, wanted)), kernels.device)
    return F.cross_entropy(torch.cat(logits), torch.cat(wanted), reduction="sum") / count


def same_instances(
    assignment: Assignment, target: Target, later_assignment: Assignment, later: Target
) -> tuple[Tensor, Tensor]:
    """The queries of each instance that both frames of a pair show: (K,) of frame t and (K,) of t + δ."""
    identities = target.identities[assignment.instances]
    later_identities = later.identities[later_assignment.instances]
    first, second = (identities[:, None] == later_identities[None]).nonzero(as_tuple=True)
    return assignment.queries[first], later_assignment.queries[second]
