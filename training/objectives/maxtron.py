"""MaXTron's two stages of training: clips, and then, with all else frozen, the cross-clip module on videos.

A clip is matched and supervised as one picture, its frames stacked (Tube-Link's tubes): a query has to
segment its object in every frame of the clip.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.maxtron.maxtron import ClipPrediction, MaXTron
from mobilevis.models.maxtron.maxtron_vis import MaXTronVis
from mobilevis.models.minvis.minvis import Prediction
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.dvis_plus import slot_order
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.minvis import Mask2FormerLoss, frame_terms, sum_terms

STAGES = ("clips", "videos")


class MaXTronObjective(Objective):
    """What both MaXTrons share.

    Args:
        model: the network.
        stage: ``clips`` trains all but the cross-clip module, ``videos`` the cross-clip module alone.
        length: frames of a sample: T, or a multiple of it for ``videos``.

    Raises:
        ValueError: the stage is unknown, or the length does not fit it.
    """

    def __init__(self, model: MaXTron, stage: str, length: int) -> None:
        super().__init__()
        if stage not in STAGES:
            raise ValueError(f"objective.stage {stage!r} is not one of {', '.join(STAGES)}")
        if length % model.clip_length or (stage == "clips" and length != model.clip_length):
            wanted = f"{model.clip_length}" if stage == "clips" else f"a multiple of {model.clip_length}"
            raise ValueError(f"clip.length {length} must be {wanted}, the model's clip")
        self.model: MaXTron = model
        self.stage, self.length = stage, length
        own = (model.cross_clip_module, model.cross_clip_heads)
        trained = {id(p) for module in own for p in module.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_((id(parameter) in trained) == (stage == "videos"))

    def train(self, mode: bool = True) -> MaXTronObjective:
        """Training mode; what is frozen keeps its statistics."""
        super().train(mode)
        if self.stage == "videos":
            self.model.eval()
        return self

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The weighted terms of a batch of clips or videos; see ``Objective``."""
        batch = len(targets) // self.length
        clips = frames.view(self.length, batch, *frames.shape[1:]).transpose(0, 1).flatten(0, 1)
        samples = [targets[sample::batch] for sample in range(batch)]
        if self.stage == "clips":
            return self.clip_terms(clips, samples)
        terms = [self.video_terms(clip, sample) for clip, sample in zip(clips.chunk(batch), samples)]
        return {name: term / batch for name, term in sum_terms(terms).items()}

    @abstractmethod
    def clip_terms(self, frames: Tensor, samples: Sequence[Sequence[Target]]) -> dict[str, Tensor]:
        """Terms of B clips: frames (B·T, 3, H, W), the frames of a clip together, and B times T targets."""

    @abstractmethod
    def tube_terms(self, layers: Sequence[ClipPrediction], target: ClipTarget) -> dict[str, Tensor]:
        """Terms of one video's predictions, (1, N, C + 1) and (1, N, F, h, w), after each layer."""

    def video_terms(self, frames: Tensor, sample: Sequence[Target]) -> dict[str, Tensor]:
        """Terms of one video of K·T frames: its clips' queries, aligned, through the cross-clip module."""
        model = self.model
        with torch.no_grad():
            clip = model.clip_features(model.encode(frames))
            queries = align(model.clip_queries(clip)[-1])
        layers = []
        for refined in model.cross_clip_module(queries):
            class_logits, kernels = model.read_refined(refined)
            masks = model.segment_clips(kernels, clip.mask_features)  # (K, N, T, h, w)
            layers.append(
                ClipPrediction(class_logits, masks.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None])
            )
        return self.tube_terms(layers, clip_target(sample))


def align(queries: Tensor) -> Tensor:
    """The queries of successive clips (K, N, D), each clip's in the order of the one before, as the client
    does."""
    aligned = [queries[0]]
    for clip in queries[1:]:
        aligned.append(clip[slot_order(aligned[-1][None], clip[None])[0]])
    return torch.stack(aligned)


@dataclass(frozen=True)
class MaXTronVisLoss(Mask2FormerLoss):
    """Weights of the loss; Tube-Link's are Mask2Former's.

    Attributes:
        stage: see ``MaXTronObjective``.
    """

    stage: str = "clips"

    def __post_init__(self) -> None:
        if min(self.classes, self.mask, self.dice, self.no_object) < 0:
            raise ValueError("the weights of the objective must be ≥ 0")


class MaXTronVisObjective(MaXTronObjective):
    """Mask2Former's loss over tubes, each layer with its own matching."""

    def __init__(self, model: MaXTronVis, weights: MaXTronVisLoss, length: int) -> None:
        super().__init__(model, weights.stage, length)
        self.weights = weights

    def clip_terms(self, frames: Tensor, samples: Sequence[Sequence[Target]]) -> dict[str, Tensor]:
        """See ``MaXTronObjective``."""
        layers = self.model(frames)
        return self._terms(layers, [clip_target(sample) for sample in samples])

    def tube_terms(self, layers: Sequence[ClipPrediction], target: ClipTarget) -> dict[str, Tensor]:
        """See ``MaXTronObjective``."""
        return self._terms(layers, [target])

    def _terms(self, layers: Sequence[ClipPrediction], targets: Sequence[ClipTarget]) -> dict[str, Tensor]:
        stacked = [Prediction(p.class_logits, p.mask_logits.flatten(2, 3)) for p in layers]
        return frame_terms(stacked, [stack_frames(target) for target in targets], self.weights)


def stack_frames(target: ClipTarget) -> Target:
    """A clip's instances as those of one picture, (G, F·h, w), its frames below each other."""
    masks = target.masks.transpose(0, 1).flatten(1, 2)
    return Target(target.labels, masks, torch.arange(len(target), device=masks.device))
