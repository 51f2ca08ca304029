"""The light encoder learns from the encoder, with no label, and nothing else does."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.registry import create_model
from mobilevis.training.objectives import dense, mobileinst
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.propagation import (
    PropagationObjective,
    feature_distance,
    mask_distances,
)
from tests.training.objectives.descent import descend, plain_frames

ALONE = {"propagation_only": True, "propagated": 1.0, "distilled": 1.0}
FAMILIES = [
    ("mobileinst-topformer-tiny-propagate", mobileinst.create_objective, mobileinst.MobileInstLoss),
    ("mobileinst-yolox-nano-propagate", dense.create_objective, dense.DenseLoss),
]


def pair(seed: int = 0) -> torch.Tensor:
    return 255 * torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "create", "weights"), FAMILIES, ids=lambda value: str(value)[:24])
def test_nothing_but_the_propagation_learns(name, create, weights):
    model = create_model(name, num_classes=3)
    objective = create(model, weights(**ALONE), 2).train()
    terms = objective(pair(), [])
    assert terms.keys() == {"distilled", "propagated_dice", "propagated_pixel"}
    torch.stack(list(terms.values())).sum().backward()
    learning = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
    assert "propagation.write.weight" in learning
    assert all(key.startswith("propagation.") for key in learning)
    assert model.propagation.training
    assert not model.backbone.training


def test_steps_bring_it_nearer_to_the_encoder():
    """Two plain frames, one dark and one bright: what the one's features are tells nothing of the other's."""
    torch.manual_seed(0)
    model = create_model(FAMILIES[0][0], num_classes=3)
    weights = mobileinst.MobileInstLoss(propagation_only=True, distilled=1.0)
    objective = PropagationObjective(model, weights, 2).train()
    # Rounding differs by the machine's instructions: after 30 steps one had 0.504.
    history = descend(objective, plain_frames(), "distilled", steps=80)
    assert history[-1] < 0.5 * history[0]


def test_features_as_the_teacher_s_have_no_distance():
    features = torch.rand(2, 5, 4, 6)
    assert feature_distance(features, features) == 0
    assert feature_distance(2 * features, features) == pytest.approx(1.0)


def test_masks_of_sure_kernels_count_most():
    """Two kernels, each with a feature of its own; one of the features is wrong."""
    teacher = 10 * torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    wrong = teacher.clone()
    wrong[:, 0] *= -1
    kernels = torch.eye(2)[None]
    losses = [
        mask_distances(wrong, teacher, kernels, torch.tensor([[sure, 1 - sure]]))[0].item()
        for sure in (0.9, 0.1)
    ]
    assert losses[0] > 5 * losses[1]
    same = mask_distances(teacher, teacher, kernels, torch.ones(1, 2))[0]
    assert same.item() == pytest.approx(0.0, abs=1e-3)


def test_trained_jointly_it_has_the_labels_of_the_later_frame():
    model = create_model(FAMILIES[0][0], num_classes=3)
    weights = mobileinst.MobileInstLoss(pairs=True, propagated=1.0, distilled=0.5)
    masks = torch.zeros(1, 16, 32)
    masks[:, 4:9, 8:20] = 1
    target = Target(torch.tensor([1]), masks, torch.tensor([3]))
    terms = mobileinst.create_objective(model, weights)(pair(), [target, target])
    assert {"propagated_dice", "propagated_pixel", "distilled", "passed_dice"} <= terms.keys()
    terms["propagated_dice"].backward()
    for part in (model.propagation.fade, model.instance_decoder.kernel_head):
        assert any(parameter.grad is not None for parameter in part.parameters())


@pytest.mark.parametrize(
    ("name", "options", "length", "message"),
    [
        ("mobileinst-topformer-tiny", ALONE, 2, "objective.propagation_only needs a model with propagation"),
        ("mobileinst-topformer-tiny", {"pairs": True, "distilled": 1.0}, 1, "objective.distilled needs"),
        (FAMILIES[0][0], {"propagation_only": True}, 2, "needs objective.propagated or objective.distilled"),
        (FAMILIES[0][0], ALONE, 1, "set clip.length to 2 or more"),
    ],
)
def test_what_cannot_be_learned_is_refused(name, options, length, message):
    with pytest.raises(ValueError, match=message):
        mobileinst.create_objective(create_model(name), mobileinst.MobileInstLoss(**options), length)


def test_every_frame_of_a_clip_is_every_other_s_keyframe(monkeypatch):
    """Two clips of three frames: a frame's keyframes are the others of its clip."""
    model = create_model(FAMILIES[0][0], num_classes=3)
    objective = mobileinst.create_objective(model, mobileinst.MobileInstLoss(**ALONE), 3)
    frames = torch.arange(6.0)[:, None, None, None].expand(6, 3, 64, 128).contiguous()
    monkeypatch.setattr(model, "encode", lambda x: (x[:, :1].expand(-1, 128, -1, -1)[..., ::8, ::8], x))
    monkeypatch.setattr(model, "decode", lambda features, _: (torch.zeros(6, 1, 128), torch.ones(6, 1, 1)))
    met = []

    def note(x, keyframe_features):
        met.extend(zip(x[:, 0, 0, 0].tolist(), keyframe_features[:, 0, 0, 0].tolist()))
        return keyframe_features

    monkeypatch.setattr(model, "propagate", note)
    objective(frames, [])
    clips = [(0, 2, 4), (1, 3, 5)]
    assert sorted(met) == sorted((a, b) for clip in clips for a in clip for b in clip if a != b)
