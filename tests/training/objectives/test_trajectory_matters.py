"""What axial-trajectory attention is for: to know an object that this frame hides from its other frames.

Frame 1 shows an object of one of four colours somewhere; in frame 2 it has moved, down and across, and is
grey: occluded. A layer has to name the colour at the grey cell.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from mobilevis.models.maxtron.trajectory import AxialTrajectoryLayer

SIDE, DIM, COLOURS, GREY = 5, 16, 4, 4
CHANCE = 1 / COLOURS


def clips(count, generator):
    """Clips of two frames (2·count, COLOURS + 1, SIDE, SIDE), frame-major, the colours, and the grey objects'
    cells."""
    frames = torch.zeros(2, count, COLOURS + 1, SIDE, SIDE)
    colours = torch.randint(COLOURS, (count,), generator=generator)
    places = torch.randint(SIDE, (count, 2, 2), generator=generator)
    every = torch.arange(count)
    frames[0, every, colours, places[:, 0, 0], places[:, 0, 1]] = 1
    frames[1, every, GREY, places[:, 1, 0], places[:, 1, 1]] = 1
    return frames.flatten(0, 1), colours, places[:, 1]


class Namer(nn.Module):
    """A layer between two projections, read at the grey cell."""

    def __init__(self, across_frames):
        super().__init__()
        self.enter = nn.Conv2d(COLOURS + 1, DIM, 1)
        self.layer = AxialTrajectoryLayer(DIM, 2, 32, across_frames)
        self.read = nn.Linear(DIM, COLOURS)

    def forward(self, frames, places):
        features = self.layer(self.enter(frames), frames=2)[len(places) :]
        return self.read(features[torch.arange(len(places)), :, places[:, 0], places[:, 1]])


def accuracy_after_training(across_frames, steps=250):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    namer = Namer(across_frames)
    optimizer = torch.optim.Adam(namer.parameters(), 5e-3)
    for _ in range(steps):
        frames, colours, places = clips(32, generator)
        optimizer.zero_grad()
        F.cross_entropy(namer(frames, places), colours).backward()
        optimizer.step()
    frames, colours, places = clips(256, generator)
    with torch.no_grad():
        return float((namer(frames, places).argmax(1) == colours).float().mean())


def test_trajectories_recover_what_a_frame_hides():
    assert accuracy_after_training(across_frames=True) > 0.9
    assert accuracy_after_training(across_frames=False) < CHANCE + 0.15
