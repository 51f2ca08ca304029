"""Random weights for exports are the same every time."""

from __future__ import annotations

import torch

from mobilevis.export.seeded import create_seeded

NAME = "mobileinst-topformer-tiny"


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone():
    torch.manual_seed(7)
    first = create_seeded(NAME).state_dict()
    drawn = torch.rand(1)
    second = create_seeded(NAME).state_dict()
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(1))
    assert all(torch.equal(first[name], second[name]) for name in first)
