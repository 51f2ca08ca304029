from __future__ import annotations

import pytest
import torch

from mobilevis.models.mobileinst.mobileinst import MobileInst
from mobilevis.models.registry import create_model
from mobilevis.training.objectives import losses
from mobilevis.training.objectives.matcher import Assignment, Target
from mobilevis.training.objectives.mobileinst import (
    MobileInstLoss,
    MobileInstObjective,
    PairObjective,
    carry,
    create_objective,
    later_mask_losses,
)

WEIGHTS = MobileInstLoss()


def frame_target(*objects: tuple[int, int]) -> Target:
    """A target of one mask row for each (identity, class); object k covers row k."""
    identities = torch.tensor([identity for identity, _ in objects])
    masks = torch.zeros(len(objects), 16, 32)
    for index, (identity, _) in enumerate(objects):
        masks[index, identity] = 1
    return Target(torch.tensor([label for _, label in objects]), masks, identities)


def random_pair() -> tuple[torch.Tensor, list[Target]]:
    frames = 255 * torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    return frames, [frame_target((3, 0), (7, 1)), frame_target((7, 1), (3, 0))]


def gradient(term: torch.Tensor, model: MobileInst, part: str) -> float:
    model.zero_grad()
    term.backward(retain_graph=True)
    grads = [p.grad for name, p in model.named_parameters() if name.startswith(part) and p.grad is not None]
    return sum(float(grad.abs().sum()) for grad in grads)


def test_gradients_flow_through_the_passed_queries_to_the_global_decoder_of_frame_t(
    model: MobileInst,
) -> None:
    frames, targets = random_pair()
    frames.requires_grad_()
    model.eval()  # batch norms would mix the two frames
    terms = PairObjective(model, WEIGHTS)(frames, targets)
    for name in ("passed_dice", "passed_pixel"):
        assert gradient(terms[name], model, "instance_decoder.stages.0") > 0
        assert gradient(terms[name], model, "instance_decoder.stages.1") > 0
        assert gradient(terms[name], model, "global_projection") > 0
        (at_frames,) = torch.autograd.grad(terms[name], frames, retain_graph=True)
        assert at_frames[0].abs().sum() > 0  # frame t, through its queries
        assert at_frames[1].abs().sum() > 0  # frame t + δ, through its features


def test_the_passed_branch_has_the_targets_of_the_later_frame(model: MobileInst) -> None:
    frames, targets = random_pair()
    model.eval()
    outputs = model(frames)
    assignment = Assignment(torch.tensor([1, 4]), torch.tensor([0, 1]))
    masks, present = carry(assignment, targets[0], targets[1])
    assert present.all()
    # Instance 0 of frame t has identity 3, which is instance 1 of frame t + δ.
    assert torch.equal(masks, targets[1].masks[[1, 0]])
    dice, _ = later_mask_losses(outputs.mask_logits[1:], [assignment], targets[:1], targets[1:], WEIGHTS)
    logits = outputs.mask_logits[1, [1, 4]].flatten(1)
    expected = WEIGHTS.dice * losses.dice_loss(logits, targets[1].masks[[1, 0]].flatten(1)).mean()
    torch.testing.assert_close(dice, expected)


def test_passing_the_queries_to_their_own_frame_gives_the_ordinary_mask_losses(model: MobileInst) -> None:
    frames, targets = random_pair()
    model.eval()
    terms = PairObjective(model, WEIGHTS)(frames[[0, 0]], [targets[0], targets[0]])
    torch.testing.assert_close(terms["passed_dice"], terms["dice"])
    torch.testing.assert_close(terms["passed_pixel"], terms["pixel"])


def test_an_instance_that_left_is_pushed_to_an_empty_mask_without_dice() -> None:
    logits = torch.randn(1, 3, 16, 32, requires_grad=True)
    before, after = frame_target((3, 0), (5, 1)), frame_target((3, 0))
    assignment = Assignment(torch.tensor([0, 2]), torch.tensor([0, 1]))
    dice, pixel = later_mask_losses(logits, [assignment], [before], [after], WEIGHTS)
    (of_dice,) = torch.autograd.grad(dice, logits, retain_graph=True)
    (of_pixels,) = torch.autograd.grad(pixel, logits)
    assert of_dice[0, 0].any()
    assert not of_dice[0, 2].any()
    assert (of_pixels[0, 2] > 0).all()  # descending lowers every logit


def test_an_instance_that_only_the_later_frame_shows_is_not_supervised() -> None:
    before, after = frame_target((3, 0)), frame_target((3, 0), (9, 1))
    masks, present = carry(Assignment(torch.tensor([5]), torch.tensor([0])), before, after)
    assert masks.shape == (1, 16, 32)
    assert present.tolist() == [True]


def test_frames_without_instances_have_finite_losses(model: MobileInst) -> None:
    frames, _ = random_pair()
    empty = Target(torch.zeros(0, dtype=torch.long), torch.zeros(0, 16, 32), torch.zeros(0, dtype=torch.long))
    terms = PairObjective(model, WEIGHTS)(frames, [empty, empty])
    assert all(term.isfinite() for term in terms.values())
    assert float(terms["classes"]) > 0
    assert float(terms["dice"]) == float(terms["passed_pixel"]) == 0
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in model.instance_decoder.parameters())


def test_the_frame_loss_is_the_pair_loss_without_the_passed_terms(model: MobileInst) -> None:
    frames, targets = random_pair()
    model.eval()
    pair = PairObjective(model, WEIGHTS)(frames, targets)
    single = MobileInstObjective(model, WEIGHTS)(frames, targets)
    for name, term in single.items():
        torch.testing.assert_close(term, pair[name])


def test_a_decoder_of_one_stage_is_refused() -> None:
    small = create_model(
        "mobileinst-topformer-tiny", num_queries=6, dim=32, heads=4, instance_decoder="global"
    )
    with pytest.raises(ValueError, match="two stages"):
        PairObjective(small, WEIGHTS)


def test_kernels_reused_in_their_own_frame_give_the_ordinary_mask_losses(model: MobileInst) -> None:
    frames, targets = random_pair()
    model.eval()
    objective = PairObjective(model, MobileInstLoss(reused=0.5))
    terms = objective(frames[[0, 0]], [targets[0], targets[0]])
    torch.testing.assert_close(terms["reused_dice"], 0.5 * terms["dice"])
    torch.testing.assert_close(terms["reused_pixel"], 0.5 * terms["pixel"])


def test_reused_kernels_learn_from_the_later_frame(model: MobileInst) -> None:
    frames, targets = random_pair()
    frames.requires_grad_()
    model.eval()
    terms = PairObjective(model, MobileInstLoss(reused=1.0))(frames, targets)
    assert gradient(terms["reused_dice"], model, "instance_decoder.kernel_head") > 0
    (at_frames,) = torch.autograd.grad(terms["reused_dice"], frames)
    assert at_frames[0].abs().sum() > 0  # frame t, through its kernels
    assert at_frames[1].abs().sum() > 0  # frame t + δ, through its mask features


def test_reused_kernels_are_not_supervised_unless_asked_for(model: MobileInst) -> None:
    assert "reused_dice" not in PairObjective(model, WEIGHTS)(*random_pair())


def test_the_table_chooses_between_frames_and_pairs(model: MobileInst) -> None:
    assert create_objective(model, MobileInstLoss()).pair_gap is None
    assert create_objective(model, MobileInstLoss(pairs=True, max_gap=5)).pair_gap == 5


def test_pairs_of_clips_are_refused(model: MobileInst) -> None:
    with pytest.raises(ValueError, match=r"objective\.pairs and clip\.length exclude each other"):
        create_objective(model, MobileInstLoss(pairs=True), length=2)
