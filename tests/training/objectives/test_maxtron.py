"""What MaXTron's losses reward, and what each of its two stages trains."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.kmax import (
    KMaxLoss,
    class_loss,
    dice_loss,
    mask_id_loss,
    match_segments,
    pixel_contrast,
    share_out,
)
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.maxtron import align, cut_into_clips
from mobilevis.training.objectives.maxtron_vis import MaXTronVisLoss, MaXTronVisObjective, stack_frames
from mobilevis.training.objectives.maxtron_vps import MaXTronVpsObjective

H, W, C = 64, 64, 3
LEFT, TOP = torch.zeros(4, 4), torch.zeros(4, 4)
LEFT[:, :2] = 1
TOP[:1, 2:] = 1


@pytest.fixture
def target():
    """Two frames: an object at the left, another one at the top right of the first."""
    masks = torch.stack([torch.stack([LEFT, TOP]), torch.stack([LEFT, torch.zeros(4, 4)])])
    present = torch.tensor([[True, True], [True, False]])
    return ClipTarget(torch.tensor([2, 0]), masks, present)


def perfect(segments, queries=4):
    """Logits of queries that have the segments in reverse order."""
    classes, masks = torch.zeros(queries, C + 1), torch.zeros(queries, segments.masks.shape[1])
    classes[:, -1] = 20
    for query, (label, mask) in enumerate(zip(segments.labels.flip(0), segments.masks.flip(0))):
        classes[query] = 0
        classes[query, label] = 20
        masks[query] = 20 * mask
    return classes, masks


def test_pixels_of_nothing_are_void_or_the_background(target):
    void = share_out(target, C, background=False)
    assert (void.masks.sum(0) + void.void).tolist() == 32 * [1]
    assert int(void.void.sum()) == 32 - 18
    filled = share_out(target, C, background=True)
    assert filled.labels.tolist() == [2, 0, C]
    assert not filled.void.any()
    assert filled.masks[2].sum() == 14


def test_segments_share_no_pixel():
    masks = torch.full((1, 3, 2, 2), 0.6)
    masks[0, 1] = 0.7
    segments = share_out(ClipTarget(torch.zeros(3).long(), masks, torch.ones(1, 3).bool()), C, False)
    assert segments.masks.sum(1).tolist() == [0, 4, 0]


def test_with_a_background_a_pixel_is_shared_by_what_covers_it():
    masks = torch.tensor([0.6, 0.3])[None, :, None, None].expand(1, 2, 2, 2)
    target = ClipTarget(torch.tensor([2, 0]), masks, torch.ones(1, 2).bool())
    segments = share_out(target, C, background=True)
    assert torch.allclose(segments.masks, torch.tensor([0.6, 0.3, 0.1])[:, None].expand(3, 4))
    found = match_segments(*perfect(segments), segments)
    right = segments.masks.clamp(min=1e-6).log().flip(0)
    assert torch.allclose(
        mask_id_loss(right, segments, found._replace(queries=2 - found.segments)),
        torch.tensor(0.898),
        atol=1e-3,
    )


@pytest.mark.parametrize("background", [False, True])
def test_a_perfect_prediction_costs_next_to_nothing(target, background):
    segments = share_out(target, C, background)
    classes, masks = perfect(segments)
    found = match_segments(classes, masks, segments)
    count = len(segments.labels)
    assert dict(zip(found.queries.tolist(), found.segments.tolist())) == {
        n: count - 1 - n for n in range(count)
    }
    assert float(class_loss(classes, masks, segments, found)) < 1e-3
    assert float(dice_loss(masks, segments, found)) < 1e-3
    assert float(mask_id_loss(masks, segments, found)) < 1e-3


def test_void_pixels_cost_nothing_whatever_they_are_called(target):
    segments = share_out(target, C, background=False)
    classes, masks = perfect(segments)
    other = masks.clone()
    other[:2, segments.void] = torch.randn(2, int(segments.void.sum()))
    found = match_segments(classes, masks, segments)
    for loss in (dice_loss, mask_id_loss):
        assert torch.allclose(loss(masks, segments, found), loss(other, segments, found), atol=1e-6)


def test_a_bad_mask_weakens_the_lesson_on_its_class(target):
    segments = share_out(target, C, background=True)
    classes, masks = perfect(segments)
    found = match_segments(classes, masks, segments)
    wrong = classes.roll(1, dims=1)
    good = class_loss(wrong, masks, segments, found)
    bad = class_loss(wrong, masks, segments, found._replace(dice=found.dice * 0.1))
    assert float(bad) < 0.5 * float(good)


def test_contrast_wants_the_pixels_of_a_segment_alike(target):
    torch.manual_seed(0)
    segments = share_out(target, C, background=True)
    apart = torch.eye(3)[segments.masks.argmax(0)].T
    together = torch.ones_like(apart) / 3**0.5
    assert pixel_contrast(apart, segments) < pixel_contrast(together, segments)


def test_pixels_of_small_segments_are_drawn_more_often():
    """Of 64 pixels one is a segment of its own. Drawn by area, two would be the large segment's, alike and
    each other's positives: a loss of log 2."""
    torch.manual_seed(0)
    masks = torch.zeros(1, 2, 8, 8)
    masks[0, 1], masks[0, 1, 0, 0], masks[0, 0, 0, 0] = 1, 0, 1
    segments = share_out(ClipTarget(torch.tensor([0, 1]), masks, torch.ones(1, 2).bool()), C, False)
    pixels = torch.eye(2)[segments.masks.argmax(0)].T
    losses = torch.stack([pixel_contrast(pixels, segments, samples=2) for _ in range(20)])
    assert float((losses < 0.1).float().mean()) > 0.5


def test_a_clip_is_one_tall_picture(target):
    stacked = stack_frames(target)
    assert stacked.masks.shape == (2, 8, 4)
    assert stacked.masks.sum((1, 2)).tolist() == [16, 2]


def test_queries_are_aligned_with_those_of_the_clip_before():
    torch.manual_seed(0)
    first = torch.randn(5, 8)
    shuffled = first[torch.randperm(5)] + 0.01
    aligned = align(torch.stack([first, shuffled, shuffled.flip(0)]))
    assert torch.allclose(aligned[1], first, atol=0.02)
    assert torch.allclose(aligned[2], first, atol=0.02)


def frame_targets(frames):
    mask = torch.zeros(1, H // 4, W // 4)
    mask[:, 4:12, 4:12] = 1
    return [Target(torch.tensor([1]), mask, torch.tensor([7])) for _ in range(frames)]


def moving_targets(frames):
    """An object that moves: no two frames have the same target."""
    masks = torch.zeros(frames, 1, H // 4, W // 4)
    for frame in range(frames):
        masks[frame, :, 4:12, frame : frame + 6] = 1
    return [Target(torch.tensor([1]), mask, torch.tensor([7])) for mask in masks]


def objective(name, stage, length):
    torch.manual_seed(0)
    model = create_model(name, num_classes=C)
    if name.startswith("maxtron-vis"):
        return MaXTronVisObjective(model, MaXTronVisLoss(stage=stage), length).train()
    return MaXTronVpsObjective(model, KMaxLoss(stage=stage, background=True), length).train()


@pytest.mark.parametrize(
    ("name", "stage", "length", "batch"),
    [
        ("maxtron-vis-tiny", "clips", 4, 1),
        ("maxtron-vis-tiny", "videos", 8, 1),
        ("maxtron-vps-tiny", "clips", 2, 2),
        ("maxtron-vps-tiny", "videos", 4, 1),
    ],
)
def test_a_stage_trains_its_own_part_and_all_of_it(name, stage, length, batch):
    training = objective(name, stage, length)
    frames = 255 * torch.rand(length * batch, 3, H, W)
    torch.stack(list(training(frames, frame_targets(length * batch)).values())).sum().backward()
    for key, parameter in training.model.named_parameters():
        wanted = key.startswith("cross_clip") == (stage == "videos")
        # As in the public code, Mask2Former's heads learn to read what the cross-clip module makes.
        wanted |= key.startswith(("decoder.class_head.", "decoder.kernel_head.")) and "vis" in name
        assert parameter.requires_grad == wanted, key
        assert (parameter.grad is not None) == wanted, key


@pytest.mark.parametrize("options", [{}, {"shared_heads": False}])
def test_the_segmenter_can_be_frozen_whole(options):
    """Appendix B: only the cross-clip tracking module is trained."""
    model = create_model("maxtron-vis-tiny", num_classes=C, **options)
    MaXTronVisObjective(model, MaXTronVisLoss(stage="videos", train_heads=False), 8)
    trained = {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"cross_clip_module", "cross_clip_heads"} - (set() if options else {"cross_clip_heads"})


def test_frozen_norms_keep_their_statistics():
    training = objective("maxtron-vps-tiny", "videos", 2)
    assert not any(module.training for module in training.model.modules())


@pytest.mark.parametrize("name", ["maxtron-vis-tiny", "maxtron-vps-tiny"])
def test_the_clips_of_a_batch_are_judged_by_their_own_targets(name):
    """A batch is frame-major: with equal clips, the loss is one clip's, unless targets are mixed up."""
    length = 4 if name == "maxtron-vis-tiny" else 2
    training = objective(name, "clips", length).eval()
    frames, targets = 255 * torch.rand(length, 3, H, W), moving_targets(length)
    with torch.no_grad():
        torch.manual_seed(0)
        alone = training(frames, targets)["classes"]
        torch.manual_seed(0)
        twice = training(frames.repeat_interleave(2, 0), [target for target in targets for _ in range(2)])
    torch.testing.assert_close(twice["classes"], alone, rtol=1e-4, atol=1e-5)


def test_a_video_is_cut_into_clips_of_successive_frames():
    assert cut_into_clips(torch.arange(6), 3).tolist() == [0, 3, 1, 4, 2, 5]


def test_identities_link_the_frames_of_a_tube():
    frames = frame_targets(2)
    assert len(clip_target(frames)) == 1


@pytest.mark.parametrize(
    ("name", "stage", "length", "text"),
    [
        ("maxtron-vis-tiny", "clips", 2, "must be 4"),
        ("maxtron-vis-tiny", "videos", 6, "a multiple of 4"),
        ("maxtron-vps-tiny", "clip", 2, "not one of clips, videos"),
    ],
)
def test_a_sample_that_fits_no_stage_is_refused(name, stage, length, text):
    with pytest.raises(ValueError, match=text):
        objective(name, stage, length)


@pytest.mark.parametrize("weights", [MaXTronVisLoss, KMaxLoss])
def test_a_negative_weight_is_refused(weights):
    with pytest.raises(ValueError, match="must be ≥ 0"):
        weights(dice=-1.0)
