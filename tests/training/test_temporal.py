from __future__ import annotations

import math

import pytest
import torch

from mobilevis.models.mobileinst import MobileInst
from mobilevis.models.registry import create_model
from mobilevis.training import losses
from mobilevis.training.config import LossConfig, TemporalConfig
from mobilevis.training.matcher import Assignment, Target
from mobilevis.training.objective import FrameObjective
from mobilevis.training.temporal import PairObjective, carry, contrast_loss, passed_losses

WEIGHTS = LossConfig()


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
    terms = passed_losses(outputs.mask_logits[1:], [assignment], targets[:1], targets[1:], WEIGHTS)
    logits = outputs.mask_logits[1, [1, 4]].flatten(1)
    expected = WEIGHTS.dice * losses.dice_loss(logits, targets[1].masks[[1, 0]].flatten(1)).mean()
    torch.testing.assert_close(terms["passed_dice"], expected)


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
    terms = passed_losses(logits, [assignment], [before], [after], WEIGHTS)
    (of_dice,) = torch.autograd.grad(terms["passed_dice"], logits, retain_graph=True)
    (of_pixels,) = torch.autograd.grad(terms["passed_pixel"], logits)
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
    single = FrameObjective(model, WEIGHTS)(frames, targets)
    for name, term in single.items():
        torch.testing.assert_close(term, pair[name])


def test_a_decoder_of_one_stage_is_refused() -> None:
    small = create_model(
        "mobileinst-topformer-tiny", num_queries=6, dim=32, heads=4, instance_decoder="global"
    )
    with pytest.raises(ValueError, match="two stages"):
        PairObjective(small, WEIGHTS)


def pair_loss(earlier: torch.Tensor, later: torch.Tensor) -> float:
    """Of (3, 3) kernels: queries 0 and 1 hold instances 7 and 8 in both frames, query 2 the background."""
    masks = torch.zeros(2, 4, 4)
    first = Target(torch.tensor([0, 1]), masks, torch.tensor([7, 8]))
    second = Target(torch.tensor([1, 0]), masks, torch.tensor([8, 7]))
    queries = Assignment(torch.tensor([0, 1]), torch.tensor([0, 1]))
    swapped = Assignment(torch.tensor([0, 1]), torch.tensor([1, 0]))
    return float(contrast_loss(torch.stack([earlier, later]), [queries, swapped], [first, second]))


def test_kernels_that_follow_their_instances_have_no_contrast_loss() -> None:
    unit = torch.eye(3)
    assert pair_loss(unit, 5 * unit) < 1e-3
    assert pair_loss(unit, unit[[1, 0, 2]]) > 5
    assert pair_loss(unit, torch.ones(3, 3)) == pytest.approx(math.log(3))


def test_instances_that_one_frame_hides_have_no_contrast_loss() -> None:
    masks = torch.zeros(1, 4, 4)
    one = Assignment(torch.tensor([0]), torch.tensor([0]))
    targets = [Target(torch.tensor([0]), masks, torch.tensor([identity])) for identity in (7, 8)]
    assert float(contrast_loss(torch.randn(2, 3, 4), [one, one], targets)) == 0


def test_the_contrast_term_is_there_where_it_has_a_weight(model: MobileInst) -> None:
    frames, targets = random_pair()
    terms = PairObjective(model, WEIGHTS, TemporalConfig(enabled=True, contrast=2.0))(frames, targets)
    assert float(terms["contrast"]) > 0
    assert gradient(terms["contrast"], model, "instance_decoder.kernel_head") > 0
