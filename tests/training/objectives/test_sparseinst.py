"""SparseInst's quality of a match."""

from __future__ import annotations

import torch

from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.sparseinst import match_quality


def random_frame(seed: int, queries: int, instances: int) -> tuple[torch.Tensor, torch.Tensor, Target]:
    generator = torch.Generator().manual_seed(seed)
    class_logits = torch.randn(queries, 4, generator=generator)
    mask_logits = 3 * torch.randn(queries, 4, 6, generator=generator)
    labels = torch.randint(4, (instances,), generator=generator)
    masks = (torch.rand(instances, 4, 6, generator=generator) > 0.5).float()
    return class_logits, mask_logits, Target(labels, masks, torch.arange(instances))


def test_quality_is_dice_and_class_probability_to_their_powers() -> None:
    class_logits, mask_logits, target = random_frame(0, 3, 2)
    p = mask_logits[1].sigmoid()
    dice = 2 * (p * target.masks[0]).sum() / (p.square().sum() + target.masks[0].square().sum())
    expected = dice**0.8 * class_logits[1, target.labels[0]].sigmoid() ** 0.2
    torch.testing.assert_close(
        match_quality(class_logits, mask_logits, target)[1, 0], expected, atol=1e-4, rtol=0
    )
