"""A lighter mask decoder learns what a trained model makes of the same frames."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.registry import create_model
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.mobileinst import MobileInstLoss, create_objective
from tests.training.objectives.descent import descend, plain_frames

TEACHER = "mobileinst-topformer-tiny-synth"
TAUGHT = {"taught_features", "taught_dice", "taught_pixel"}


def lite(classes: int = 3):
    return create_model("mobileinst-lite-topformer-tiny", num_classes=classes, num_queries=10, drop_path=0.0)


def frames(seed: int = 0) -> torch.Tensor:
    return 255 * torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def checkpoint(tmp_path):
    """Of a MobileInst with as many channels as the pupil; and what it may not be."""

    def save(name: str, **config):
        torch.manual_seed(1)
        model = create_model(name, num_classes=2, **config)
        path = tmp_path / f"{name}.safetensors"
        classes = [Category(1, "one"), Category(2, "two")]
        save_checkpoint(model, path, name=name, classes=classes, record={})
        return str(path)

    return save


def test_nothing_but_the_mask_decoder_learns_where_the_teacher_is_all_there_is():
    model = lite()
    objective = create_objective(model, MobileInstLoss(teacher=TEACHER, taught_only=True)).train()
    terms = objective(frames(), [])
    assert terms.keys() == TAUGHT
    torch.stack(list(terms.values())).sum().backward()
    learning = {key for key, parameter in objective.named_parameters() if parameter.grad is not None}
    assert learning
    assert all(key.startswith("model.mask_decoder.") for key in learning)
    assert not model.backbone.training
    assert model.mask_decoder.training


def test_steps_bring_the_mask_features_nearer_to_the_teacher_s(checkpoint):
    torch.manual_seed(0)
    teacher = checkpoint("mobileinst-topformer-tiny", num_queries=10)
    weights = MobileInstLoss(teacher=teacher, taught_only=True)
    objective = create_objective(lite(), weights).train()
    history = descend(objective, plain_frames(), "taught_features")
    assert history[-1] < 0.5 * history[0]


def test_a_teacher_that_is_the_model_itself_finds_no_distance(checkpoint):
    torch.manual_seed(0)
    path = checkpoint("mobileinst-lite-topformer-tiny", num_queries=10)
    torch.manual_seed(1)
    same = create_model("mobileinst-lite-topformer-tiny", num_classes=2, num_queries=10)
    terms = create_objective(same, MobileInstLoss(teacher=path, taught_only=True)).eval()(frames(), [])
    assert terms["taught_features"].item() == 0


@pytest.mark.parametrize("pairs", [False, True])
def test_labels_and_a_teacher_go_together(pairs):
    target = Target(labels=torch.tensor([0]), masks=torch.ones(1, 16, 32), identities=torch.tensor([4]))
    objective = create_objective(lite(), MobileInstLoss(teacher=TEACHER, taught=0.5, pairs=pairs)).train()
    terms = objective(frames(), [target, target])
    assert terms.keys() > TAUGHT | {"classes", "dice", "pixel"}
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad is None for parameter in objective.teacher.parameters())
    assert not objective.teacher.training
    double = create_objective(
        objective.model, MobileInstLoss(teacher=TEACHER, taught=1.0, pairs=pairs)
    ).train()
    torch.testing.assert_close(
        2 * terms["taught_features"], double(frames(), [target, target])["taught_features"]
    )


@pytest.mark.parametrize(
    ("name", "config"), [("mobileinst-topformer-tiny", {"dim": 64}), ("sparseinst-topformer-base", {})]
)
def test_a_teacher_of_another_kind_is_refused(checkpoint, name, config):
    weights = MobileInstLoss(teacher=checkpoint(name, num_queries=10, **config), taught_only=True)
    with pytest.raises(ValueError, match="must be a MobileInst with 128 channels"):
        create_objective(lite(), weights)


def test_only_taught_without_a_teacher_is_refused():
    with pytest.raises(ValueError, match=r"taught_only needs objective\.teacher"):
        create_objective(lite(), MobileInstLoss(taught_only=True))


def test_a_teacher_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        create_objective(lite(), MobileInstLoss(teacher=str(tmp_path / "none.safetensors")))
