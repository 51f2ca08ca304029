"""MaXTron-VPS's training: kMaX's loss over tubes, all layers with the matching of the last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilevis.models.blocks.resampling import resize
from mobilevis.models.maxtron.maxtron import ClipPrediction
from mobilevis.models.maxtron.maxtron_vps import MaXTronVps
from mobilevis.training.objectives.base import sum_terms
from mobilevis.training.objectives.clip_targets import ClipTarget
from mobilevis.training.objectives.kmax import (
    KMaxLoss,
    Segments,
    layer_terms,
    match_segments,
    pixel_contrast,
    share_out,
)
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.maxtron import MaXTronObjective
from mobilevis.training.objectives.semantic import SemanticHead

FINEST_READ = 2  # the pixel decoder's level at stride 8, among those at 32, 16 and 8


class MaXTronVpsObjective(MaXTronObjective):
    """See ``MaXTronObjective``.

    The auxiliary semantic head reads the pixel decoder at stride 8, where kMaX's reads the backbone.
    """

    model: MaXTronVps
    weights: KMaxLoss

    def __init__(self, model: MaXTronVps, weights: KMaxLoss, length: int) -> None:
        super().__init__(model, weights, length)
        wanted = weights.semantic > 0 and weights.stage == "clips"
        channels = model.pixel_decoder.channels[FINEST_READ]
        self.semantic_head = SemanticHead(channels, model.num_classes) if wanted else None

    def clip_stage_terms(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """See ``MaXTronObjective``."""
        clip = self.model.clip_features(self.model.encode(frames))
        outputs = self.model.predict(clip)
        segments = [self._segments(target) for target in self.clip_targets(targets)]
        layers = [ClipPrediction(output.class_logits, output.mask_logits) for output in outputs]
        terms = self._terms(layers, segments)
        if self.weights.pixels:
            rows = zip(outputs[-1].pixels.flatten(2).float(), segments)
            terms["pixels"] = self.weights.pixels * torch.stack([pixel_contrast(*row) for row in rows]).mean()
        if self.semantic_head is not None:
            level = clip.levels[FINEST_READ]
            terms["semantic"] = self.weights.semantic * self.semantic_head(level, targets)
        return terms

    def tube_terms(self, layers: Sequence[ClipPrediction], target: ClipTarget) -> dict[str, Tensor]:
        """See ``MaXTronObjective``."""
        return self._terms(layers, [self._segments(target)])

    def _segments(self, target: ClipTarget) -> Segments:
        return share_out(target, self.model.num_classes, self.weights.background)

    def _terms(self, layers: Sequence[ClipPrediction], segments: Sequence[Segments]) -> dict[str, Tensor]:
        size = layers[-1].mask_logits.shape[-2:]
        masks = [resize_tubes(layer.mask_logits, size).flatten(2) for layer in layers]
        matchings = [match_segments(*row) for row in zip(layers[-1].class_logits, masks[-1], segments)]
        return sum_terms(
            [
                layer_terms(layer.class_logits, logits, segments, matchings, self.weights)
                for layer, logits in zip(layers, masks)
            ]
        )


def resize_tubes(mask_logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """Mask logits (B, N, T, h, w) at another resolution."""
    batch, count = mask_logits.shape[:2]
    resized = resize(mask_logits.flatten(0, 1), size)
    return resized.view(batch, count, *resized.shape[1:])
