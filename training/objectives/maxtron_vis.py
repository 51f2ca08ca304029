"""MaXTron-VIS's training: Mask2Former's loss over tubes, each layer with its own matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilevis.models.maxtron.maxtron import ClipPrediction
from mobilevis.models.maxtron.maxtron_vis import MaXTronVis
from mobilevis.models.minvis.minvis import Prediction
from mobilevis.training.objectives.clip_targets import ClipTarget
from mobilevis.training.objectives.mask2former import Mask2FormerLoss, frame_terms, join_outputs
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.maxtron import MaXTronObjective


@dataclass(frozen=True)
class MaXTronVisLoss(Mask2FormerLoss):
    """Weights of the loss; Tube-Link's are Mask2Former's.

    Attributes:
        stage: see ``MaXTronObjective``.
        train_heads: whether the stage ``videos`` trains Mask2Former's class and mask heads too, where refined
            queries are read by them, as the public code does; the paper's words (appendix B) freeze the whole
            segmenter.
    """

    stage: str = "clips"
    train_heads: bool = True


class MaXTronVisObjective(MaXTronObjective):
    """Mask2Former's loss over tubes, each layer with its own matching."""

    model: MaXTronVis
    weights: MaXTronVisLoss

    def video_parts(self) -> list[nn.Module]:
        """The cross-clip module, and the heads that read what it refines; Mask2Former's norm stays frozen."""
        decoder = self.model.decoder
        shared = self.model.config.shared_heads and self.weights.train_heads
        return [*super().video_parts(), *((decoder.class_head, decoder.kernel_head) if shared else ())]

    def clip_stage_terms(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """See ``MaXTronObjective``."""
        return self._terms(self.model(frames), self.clip_targets(targets))

    def tube_terms(self, layers: Sequence[ClipPrediction], target: ClipTarget) -> dict[str, Tensor]:
        """See ``MaXTronObjective``."""
        return self._terms(layers, [target])

    def _terms(self, layers: Sequence[ClipPrediction], targets: Sequence[ClipTarget]) -> dict[str, Tensor]:
        stacked = [Prediction(p.class_logits, p.mask_logits.flatten(2, 3)) for p in layers]
        pictures = [stack_frames(target) for target in targets]
        return frame_terms(join_outputs(stacked), len(stacked), pictures, self.weights)


def stack_frames(target: ClipTarget) -> Target:
    """A clip's instances as those of one picture, (G, F·h, w), its frames below each other."""
    masks = target.masks.transpose(0, 1).flatten(1, 2)
    return Target(target.labels, masks, torch.arange(len(target), device=masks.device))
