"""MaXTron's within-clip tracking module (§3.2): trajectory layers in a per-frame deformable encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mobilevis.models.maxtron.trajectory import TRAJECTORIES

RESIDUAL_SCALE = 1e-6  # the public code's start of γ: a pre-trained pixel decoder begins as it was


class ClipMixer(nn.Module):
    """Trajectory layers for the coarsest levels of a deformable encoder, those at strides 32 and 16.

    Args:
        dim: D, channels.
        heads: attention heads.
        hidden: width of the feed-forward parts.
        stages: N_w, blocks.
        layers: trajectory layers of each of them.
        frames: T, frames of a clip.
        trajectory: a key of ``TRAJECTORIES``.
        every: deformable layers of a block.
        residual: f + γ·layers(f), with γ (D,) of each block starting at ``RESIDUAL_SCALE``; otherwise
            layers(f).
    """

    levels = 2

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        stages: int,
        layers: int,
        frames: int,
        trajectory: str = "axial",
        every: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.frames, self.every = frames, every
        self.level_embeddings = nn.Parameter(torch.randn(self.levels, dim))
        create = TRAJECTORIES[trajectory]
        self.stages = nn.ModuleList(
            nn.ModuleList(create(dim, heads, hidden) for _ in range(layers)) for _ in range(stages)
        )
        self.scales = nn.Parameter(torch.full((stages, dim), RESIDUAL_SCALE)) if residual else None

    def forward(self, index: int, cells: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """What stands at one deformable layer: nothing, but at the last one of a block.

        Args:
            index: of the deformable layer.
            cells: (T·B, ΣHW, D), frame-major, the coarsest level first.
            sizes: (height, width) of each level.

        Returns:
            The same shape.
        """
        stage, rest = divmod(index + 1, self.every)
        if rest:
            return cells
        parts = list(cells.split([height * width for height, width in sizes], dim=1))
        for level in range(self.levels):
            mixed = self._mix(stage - 1, parts[level], sizes[level], level)
            if self.scales is not None:
                mixed = parts[level] + mixed * self.scales[stage - 1]
            parts[level] = mixed
        return torch.cat(parts, dim=1)

    def _mix(self, stage: int, cells: Tensor, size: tuple[int, int], level: int) -> Tensor:
        x = cells.transpose(1, 2).reshape(cells.shape[0], -1, *size)
        for layer in cast(nn.ModuleList, self.stages[stage]):
            x = layer(x, self.frames, self.level_embeddings[level])
        return x.flatten(2).transpose(1, 2)
