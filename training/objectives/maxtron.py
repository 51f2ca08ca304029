"""MaXTron's two stages of training: clips, and then, with all else frozen, the cross-clip module on videos.

A clip is matched and supervised as one picture, its frames stacked (Tube-Link's tubes): a query has to
segment its object in every frame of the clip.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mobilevis.models.maxtron.maxtron import ClipPrediction, MaXTron
from mobilevis.training.objectives.base import LossWeights, Objective, sum_terms
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.matcher import Target, match_slots

STAGES = ("clips", "videos")


class MaXTronObjective(Objective):
    """What both MaXTrons share.

    Args:
        model: the network.
        weights: of the terms; their ``stage`` is ``clips``, which trains all but the cross-clip module, or
            ``videos``, which trains ``video_parts`` alone.
        length: frames of a sample: T, or a multiple of it for ``videos``.

    Raises:
        ValueError: the stage is unknown, or the length does not fit it.
    """

    model: MaXTron

    def __init__(self, model: MaXTron, weights: LossWeights, length: int) -> None:
        super().__init__(model, weights, length)
        stage = self.stage = self.weights.stage
        if stage not in STAGES:
            raise ValueError(f"objective.stage {stage!r} is not one of {', '.join(STAGES)}")
        if length % model.clip_length or (stage == "clips" and length != model.clip_length):
            wanted = f"{model.clip_length}" if stage == "clips" else f"a multiple of {model.clip_length}"
            raise ValueError(f"clip.length {length} must be {wanted}, the model's clip")
        videos = {id(p) for part in self.video_parts() for p in part.parameters()}
        for name, parameter in model.named_parameters():
            clips = not name.startswith("cross_clip")
            parameter.requires_grad_(id(parameter) in videos if stage == "videos" else clips)

    def video_parts(self) -> list[nn.Module]:
        """What the stage ``videos`` trains."""
        parts = (self.model.cross_clip_module, self.model.cross_clip_heads)
        return [part for part in parts if part is not None]

    def train(self, mode: bool = True) -> MaXTronObjective:
        """Training mode; what is frozen keeps its statistics."""
        super().train(mode)
        if self.stage == "videos":
            self.model.eval()
        return self

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The weighted terms of a batch of clips or videos; see ``Objective``."""
        batch = len(targets) // self.length
        if self.stage == "clips":
            return self.clip_stage_terms(frames, targets)
        videos = range(batch)
        terms = [self.video_stage_terms(frames[video::batch], targets[video::batch]) for video in videos]
        return {name: term / batch for name, term in sum_terms(terms).items()}

    @abstractmethod
    def clip_stage_terms(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Terms of B clips: frames (T·B, 3, H, W) and their T·B targets."""

    @abstractmethod
    def tube_terms(self, layers: Sequence[ClipPrediction], target: ClipTarget) -> dict[str, Tensor]:
        """Terms of one video's predictions, (1, N, C + 1) and (1, N, F, h, w), after each layer."""

    def clip_targets(self, targets: Sequence[Target]) -> list[ClipTarget]:
        """Targets of the T·B frames of B clips → those of the clips."""
        batch = len(targets) // self.length
        return [clip_target(targets[clip::batch]) for clip in range(batch)]

    def video_stage_terms(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Terms of one video of K·T frames, in their order: its clips' queries, aligned, through the
        cross-clip module."""
        model = self.model
        with torch.no_grad():
            clip = model.clip_features(model.encode(cut_into_clips(frames, model.clip_length)))
            queries = align(model.clip_queries(clip)[-1])
        layers = []
        for refined in model.cross_clip_module(queries):
            class_logits, kernels = model.read_refined(refined)
            masks = model.segment_clips(kernels, clip.mask_features)  # (K, N, T, h, w)
            layers.append(
                ClipPrediction(class_logits, masks.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None])
            )
        return self.tube_terms(layers, clip_target(targets))


def cut_into_clips(video: Tensor, length: int) -> Tensor:
    """Frames of a video in their order, (K·T, …) → frames of its K clips of T, frame-major, (T·K, …)."""
    return video.unflatten(0, (-1, length)).transpose(0, 1).flatten(0, 1)


def align(queries: Tensor) -> Tensor:
    """The queries of successive clips (K, N, D), each clip's in the order of the one before, as the client
    does."""
    aligned = [queries[0]]
    for clip in queries[1:]:
        aligned.append(clip[match_slots(aligned[-1][None], clip[None])[0]])
    return torch.stack(aligned)
