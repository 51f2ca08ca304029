"""What TAFormer's attention over time is for: an object that a frame does not show."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mobilevis.models import create_model
from mobilevis.models.seqformer.seqformer import SeqFormer
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.seqformer import SeqFormerLoss, SeqFormerObjective

pytestmark = pytest.mark.slow

SIDE, LENGTH, HIDDEN, STEPS = 64, 3, 1, 100
SMALL = {
    "num_classes": 1,
    "num_queries": 1,
    "dim": 32,
    "heads": 2,
    "hidden": 64,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "points": 2,
    "temporal_points": 2,
    "window": 1,
}


def clips(count: int, generator: torch.Generator) -> tuple[Tensor, list[Target]]:
    """White squares of 24 pixels that rest somewhere; the middle frame is black, its target is not."""
    frames = torch.zeros(LENGTH, count, 3, SIDE, SIDE)
    masks = torch.zeros(count, 1, SIDE // 4, SIDE // 4)
    for clip, (row, column) in enumerate(torch.randint(0, 10, (count, 2), generator=generator).tolist()):
        masks[clip, :, row : row + 6, column : column + 6] = 1.0
        frames[:, clip, :, 4 * row : 4 * row + 24, 4 * column : 4 * column + 24] = 255.0
    frames[HIDDEN] = 0.0
    label = torch.tensor([0])
    return frames.flatten(0, 1), [Target(label, mask, label) for mask in masks] * LENGTH


def train(name: str) -> SeqFormer:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = create_model(name, **SMALL)
    assert isinstance(model, SeqFormer)
    objective = SeqFormerObjective(model, SeqFormerLoss(), LENGTH)
    optimizer = torch.optim.AdamW(objective.parameters(), 1e-3)
    for _ in range(STEPS):
        loss = torch.stack(list(objective(*clips(4, generator)).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def mask_ious(model: SeqFormer) -> Tensor:
    """Mean IoU of the masks in each frame over 16 new clips, (T,)."""
    frames, targets = clips(16, torch.Generator().manual_seed(99))
    with torch.no_grad():
        output = model(frames, LENGTH)
        kernels = output.layers[-1].kernels.repeat(LENGTH, 1, 1)
        found = model.segment(kernels, output.layers[-1].points, output.mask_features) > 0
    truth = torch.stack([target.masks for target in targets]) > 0.5
    ious = (found & truth).sum((1, 2, 3)) / (found | truth).sum((1, 2, 3)).clamp(min=1)
    return ious.view(LENGTH, 16).mean(1)


def test_taformer_segments_what_a_frame_hides() -> None:
    assert mask_ious(train("taformer-tiny")).min() > 0.7


def test_seqformer_loses_what_a_frame_hides() -> None:
    first, hidden, last = mask_ious(train("seqformer-tiny")).tolist()
    assert min(first, last) > 0.7
    assert hidden < 0.4
