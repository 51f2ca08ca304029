"""YOLOX-Nano: what it computes stays the same in the form that is exported."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import STRIDES, JoinedLevels, LevelHead, YoloxHead, YoloxNano


def fold(module):
    for part in module.modules():
        if isinstance(part, (JoinedLevels, LevelHead)):
            part.fold()


@pytest.mark.parametrize("batch", [1, 2])
def test_levels_are_joined_by_one_convolution_of_the_enlarged_and_the_fine_one(batch):
    joined = JoinedLevels(3, 5, 4)
    coarse, fine = torch.randn(batch, 3, 2, 3), torch.randn(batch, 5, 4, 6)
    enlarged = F.interpolate(coarse, scale_factor=2, mode="nearest")
    expected = F.silu(joined.conv(torch.cat([enlarged, fine], dim=1)))
    assert torch.allclose(joined(coarse, fine), expected, atol=1e-6)
    joined.fold()
    assert torch.allclose(joined(coarse, fine), expected, atol=1e-6)


def test_folded_levels_are_convolved_before_the_coarse_one_is_enlarged():
    joined = JoinedLevels(3, 5, 4)
    joined.fold()
    read = []
    for conv in (joined.coarse, joined.fine):
        conv.register_forward_hook(lambda _, inputs, __: read.append(tuple(inputs[0].shape)))
    joined.conv.register_forward_hook(lambda *_: pytest.fail("the joined convolution runs, too"))
    joined(torch.randn(1, 3, 2, 3), torch.randn(1, 5, 4, 6))
    assert sorted(read) == [(1, 3, 2, 3), (1, 5, 4, 6)]


def test_a_folded_detector_computes_what_it_was_trained_to():
    torch.manual_seed(0)
    backbone, head = YoloxNano().eval(), YoloxHead(3).eval()
    frames = torch.rand(1, 3, 64, 96) * 255

    def run():
        features = backbone(frames)
        towers = [level.locate(x)[1] for level, x in zip(head.levels(), features[1:])]
        return [*features, *(level.read_place(x) for level, x in zip(head.levels(), towers))]

    with torch.no_grad():
        expected = run()
        fold(backbone)
        fold(head)
        found = run()
    assert [x.shape[2] for x in found[1:4]] == [64 // stride for stride in STRIDES]
    for ours, theirs in zip(found, expected):
        assert torch.linalg.vector_norm(ours - theirs) <= 1e-5 * torch.linalg.vector_norm(theirs)


def test_boxes_and_objectness_are_five_channels_of_the_box_tower():
    level = LevelHead(32, 3)
    tower = torch.randn(1, 64, 4, 6)
    expected = torch.cat([level.boxes(tower), level.objectness(tower)], dim=1)
    assert torch.equal(level.read_place(tower), expected)
    level.fold()
    level.boxes.register_forward_hook(lambda *_: pytest.fail("boxes are convolved alone, too"))
    assert torch.allclose(level.read_place(tower), expected, atol=1e-5)


def test_folding_again_changes_nothing():
    """Weights may be rounded after they were folded; what they were parted from must not come back."""
    joined, level = JoinedLevels(3, 5, 4), LevelHead(32, 3)
    for module, parts in ((joined, ("coarse", "fine")), (level, ("place",))):
        module.fold()
        for part in parts:
            torch.nn.init.ones_(getattr(module, part).weight)
        module.fold()
        assert all((getattr(module, part).weight == 1).all() for part in parts)


def test_what_is_trained_and_stored_has_no_folded_weights():
    backbone = YoloxNano()
    before = list(backbone.state_dict())
    assert not [name for name in before if ".coarse." in name or ".fine." in name]
    assert "down4.main.conv.weight" in before
