"""Ground truth of clips: instances followed through their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.training.objectives.boxes import mask_boxes
from mobilevis.training.objectives.matcher import Target


@dataclass(frozen=True)
class ClipTarget:
    """G instances over T frames.

    Attributes:
        labels: (G,) int64, class indices in [0, C).
        masks: (T, G, h, w) float32 in [0, 1]; zeros where the instance is not seen.
        present: (T, G) bool, whether it is seen.
    """

    labels: Tensor
    masks: Tensor
    present: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, frames: slice) -> ClipTarget:
        """The same instances in a part of the frames."""
        return ClipTarget(self.labels, self.masks[frames], self.present[frames])

    @property
    def boxes(self) -> Tensor:
        """(T, G, 4), fractions of width and height; zeros where the instance is not seen."""
        return mask_boxes(self.masks)


def clip_target(frames: Sequence[Target]) -> ClipTarget:
    """Link the instances of a clip's frames by identity, in ascending order.

    Args:
        frames: one target a frame, T ≥ 1.
    """
    identities, first = _unique(torch.cat([frame.identities for frame in frames]))
    labels = torch.cat([frame.labels for frame in frames])[first]
    same = [identities[:, None] == frame.identities[None] for frame in frames]
    masks = [
        torch.einsum("gm,mhw->ghw", place.to(frame.masks), frame.masks) for place, frame in zip(same, frames)
    ]
    return ClipTarget(labels, torch.stack(masks), torch.stack([place.any(1) for place in same]))


def _unique(values: Tensor) -> tuple[Tensor, Tensor]:
    """The sorted distinct values of (n,), and the place where each is first seen."""
    distinct, inverse = torch.unique(values, return_inverse=True)
    places = torch.arange(len(values), device=values.device)
    first = torch.full_like(distinct, len(values)).scatter_reduce(0, inverse, places, "amin")
    return distinct, first
