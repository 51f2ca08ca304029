"""The cross-clip module: all clips' queries meet, at the paper's time spans."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.maxtron.cross_clip import CrossClipLayer, CrossClipModule, TemporalAspp

DIM, HEADS = 16, 4


@pytest.mark.parametrize("rates", [(1, 2, 3), (1, 3, 5)])
def test_temporal_aspp_is_dilated_convolutions(rates):
    torch.manual_seed(0)
    aspp = TemporalAspp(DIM, rates)
    x = torch.randn(5, 3, DIM)
    outs = []
    for branch, rate in zip(aspp.branches, aspp.rates):
        weight = branch.weight.view(DIM, 3, DIM).permute(0, 2, 1)
        padded = torch.nn.functional.pad(x.permute(1, 2, 0), (rate, rate), mode="replicate")
        outs.append(torch.nn.functional.conv1d(padded, weight, branch.bias, dilation=rate).permute(2, 0, 1))
    with torch.no_grad():
        expected = torch.nn.functional.gelu(aspp.norm(aspp.fuse(torch.cat(outs, dim=-1))))
        assert torch.allclose(aspp(x), expected, atol=1e-5)


def test_queries_of_all_clips_meet_in_the_cross_clip_module():
    torch.manual_seed(0)
    module = CrossClipModule(DIM, HEADS, layers=2)
    queries = torch.randn(4, 3, DIM, requires_grad=True)
    refined = module(queries)
    assert [x.shape for x in refined] == 2 * [queries.shape]
    refined[-1][0, 0].square().sum().backward()
    assert bool((queries.grad.abs().sum(-1) > 0).all())


def test_a_video_has_one_class_embedding_for_each_query():
    module = CrossClipModule(DIM, HEADS, layers=1)
    same = torch.randn(1, 3, DIM).expand(4, 3, DIM)
    with torch.no_grad():
        assert torch.allclose(module.video_embedding(same.contiguous()), same[:1], atol=1e-6)


def test_self_attention_asks_all_queries_at_once():
    """Table 6a: the order of the clips' queries is nothing to it, which trajectories are made of."""
    torch.manual_seed(0)
    queries = torch.randn(2, 3, DIM)
    shuffled = queries.flatten(0, 1)[torch.tensor([0, 4, 2, 3, 1, 5])].view(2, 3, DIM)
    for attention, sees_clips in (("self", False), ("trajectory", True)):
        layer = CrossClipLayer(DIM, HEADS, attention, rates=())
        with torch.no_grad():
            same = torch.allclose(layer(queries)[0, 0], layer(shuffled)[0, 0], atol=1e-6)
        assert same != sees_clips


def test_without_temporal_aspp_a_layer_is_its_attention():
    assert {name.partition(".")[0] for name in CrossClipLayer(DIM, HEADS, "self", ()).state_dict()} == {
        "attention",
        "norm",
    }
