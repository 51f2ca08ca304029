"""Random weights for exports: the same every time, and as well-behaved as trained ones."""

from __future__ import annotations

import pytest
import torch

from mobilevis.export.seeded import create_seeded, fit_batch_norms
from mobilevis.models import create_model

NAME = "mobileinst-topformer-tiny"


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone():
    torch.manual_seed(7)
    first = create_seeded(NAME).state_dict()
    drawn = torch.rand(1)
    second = create_seeded(NAME).state_dict()
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(1))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_fitted_norms_normalise_the_frames_they_were_fitted_to():
    frames = torch.rand(2, 3, 128, 128) * 255
    model = create_model(NAME).eval()
    fit_batch_norms(model, frames)
    with torch.no_grad():
        mask_features, _ = model.encode(frames)
    assert mask_features.mean().item() == pytest.approx(0.0, abs=0.05)
    assert mask_features.std().item() == pytest.approx(1.0, abs=0.1)


def test_fitting_changes_nothing_but_the_statistics():
    model = create_model(NAME)
    before = {name: value.clone() for name, value in model.named_parameters()}
    momenta = [m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    fit_batch_norms(model, torch.rand(2, 3, 64, 128) * 255)
    assert all(torch.equal(before[name], value) for name, value in model.named_parameters())
    assert [m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)] == momenta
    assert all(module.training for module in model.modules())
