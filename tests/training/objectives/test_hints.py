"""A detector's features teach a model that is built otherwise."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.registry import create_model
from mobilevis.training.objectives.hints import standardise
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.mobileinst import MobileInstLoss, create_objective
from tests.training.objectives.descent import descend, plain_frames

DETECTOR = "mobileinst-yolox-nano"
CHANNELS = [64, 128, 256]
SQUARE = torch.zeros(1, 16, 32)
SQUARE[:, 4:12, 4:12] = 1
TARGETS = [Target(labels=torch.tensor([0]), masks=SQUARE, identities=torch.tensor([1]))] * 2


def create_hinted():
    torch.manual_seed(0)
    model = create_model("mobileinst-topformer-tiny", num_classes=3, num_queries=10, drop_path=0.0)
    return create_objective(model, MobileInstLoss(hints_from=DETECTOR, hints=2.0)).train()


def test_the_term_is_the_factor_times_the_part_of_the_variance_that_is_not_read():
    objective = create_hinted()
    for reader in objective.hints.readers:
        torch.nn.init.zeros_(reader.weight)
        torch.nn.init.zeros_(reader.bias)
    frames = 255 * torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    terms = objective(frames, TARGETS)
    assert terms["hints"].item() == pytest.approx(2.0, rel=1e-3)


def test_the_detector_stays_as_it_is_and_the_readers_are_not_saved_with_the_model():
    objective = create_hinted()
    learning = {key for key, parameter in objective.named_parameters() if parameter.requires_grad}
    assert not any(key.startswith("hints.detector.") for key in learning)
    assert {f"hints.readers.{level}.weight" for level in range(3)} <= learning
    assert [reader.out_channels for reader in objective.hints.readers] == CHANNELS
    assert not any("hints" in key for key in objective.model.state_dict())
    assert not objective.hints.detector.training


def test_steps_bring_the_mask_features_nearer_to_the_detector_s():
    objective = create_hinted()
    history = descend(objective, plain_frames(), "hints", TARGETS)
    assert history[-1] < 0.5 * history[0]


def test_each_channel_counts_alike_whatever_its_scale():
    features = torch.randn(2, 3, 4, 5) * torch.tensor([1.0, 100.0, 0.01]).view(1, 3, 1, 1) + 7
    found = standardise(features)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-2, rtol=0)


def test_a_model_on_another_backbone_is_refused():
    model = create_model("mobileinst-topformer-tiny", num_classes=3, num_queries=10)
    with pytest.raises(ValueError, match="hints_from must be a model on yolox-nano"):
        create_objective(model, MobileInstLoss(hints_from="mobileinst-topformer-tiny-synth"))
