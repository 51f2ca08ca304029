from __future__ import annotations

import torch
from torch import nn

from mobilevis.training.ema import WeightAverage


def test_the_average_follows_the_weights_with_its_decay() -> None:
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    average = WeightAverage(model, decay=0.5)
    average.updates = 100  # past the warm-up
    nn.init.ones_(model.weight)
    values = []
    for _ in range(3):
        average.update(model)
        values.append(average.state["weight"].item())
    assert values == [0.5, 0.75, 0.875]


def test_the_first_updates_forget_the_random_start() -> None:
    model = nn.Linear(1, 1)
    average = WeightAverage(model, decay=0.999)
    nn.init.constant_(model.weight, 5.0)
    for _ in range(40):
        average.update(model)
    assert abs(average.state["weight"].item() - 5.0) < 0.01


def test_counters_are_copied_and_statistics_averaged() -> None:
    model = nn.BatchNorm2d(2)
    average = WeightAverage(model, decay=0.5)
    average.updates = 100
    model(torch.full((1, 2, 2, 2), 4.0))
    average.update(model)
    assert average.state["num_batches_tracked"].item() == 1
    torch.testing.assert_close(average.state["running_mean"], model.running_mean / 2)
