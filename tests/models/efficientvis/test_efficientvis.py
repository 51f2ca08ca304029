"""EfficientVIS: what looks at what, and that its entries fit together."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.efficientvis.efficientvis import EfficientVIS
from mobilevis.models.efficientvis.interaction import (
    FactorisedAttention,
    TemporalDynamicConv,
    crop_neighbours,
    refine_boxes,
)

SIZE = (64, 96)
T, N, C, K = 3, 4, 16, 5


@pytest.fixture
def model() -> EfficientVIS:
    torch.manual_seed(0)
    small = {"clip_length": T, "num_queries": N, "dim": C, "heads": 2, "iterations": 2}
    model = create_model("efficientvis-tiny", num_classes=K, feed_forward=16, dynamic_dim=4, **small)
    assert isinstance(model, EfficientVIS)
    return model.eval()


@pytest.fixture
def levels(model: EfficientVIS) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        return model.encode(255 * torch.rand(T, 3, *SIZE))


def decode(model, levels, queries=None, carried=0.0):
    queries = torch.zeros(1, N, C) if queries is None else queries
    with torch.no_grad():
        return model.decode(*levels, queries, torch.full((1, N, 1), carried))


@pytest.mark.parametrize("clip_length", [None, 1, 5])
def test_entries_run_at_the_shapes_that_they_declare(model, clip_length):
    with torch.no_grad():
        for entry in model.streaming(SIZE, max_instances=2, clip_length=clip_length).entries.values():
            out = getattr(model, entry.method)(*(torch.rand(shape) for shape in entry.inputs.values()))
            outputs = out if isinstance(out, tuple) else (out,)
            assert [tuple(x.shape) for x in outputs] == list(entry.outputs.values())
            assert all(x.isfinite().all() for x in outputs)


def test_a_clip_is_the_frames_that_were_encoded(model):
    entries = model.streaming(SIZE).entries
    for name, (frames, *shape) in list(entries["decode"].inputs.items())[:4]:
        assert (1, *shape) == entries["encode"].outputs[name]
        assert frames == T


def test_a_tracklet_that_is_not_carried_starts_from_the_learned_query(model, levels):
    fresh, ignored = decode(model, levels), decode(model, levels, torch.randn(1, N, C))
    for a, b in zip(fresh, ignored):
        assert torch.equal(a, b)
    torch.testing.assert_close(decode(model, levels, model.queries.detach(), carried=1.0), fresh)


def test_a_carried_query_changes_what_is_found(model, levels):
    scores, *_ = decode(model, levels)
    carried, *_ = decode(model, levels, torch.randn(1, N, C), carried=1.0)
    assert not torch.allclose(scores, carried)


def test_the_next_clip_starts_from_the_mean_over_time(model, levels):
    last = model(levels)[-1]
    torch.testing.assert_close(decode(model, levels)[-1], last.interaction.queries.mean(0, keepdim=True))


def test_segment_gives_the_masks_of_the_last_iteration(model, levels):
    _, boxes, attended, _ = decode(model, levels)
    with torch.no_grad():
        some = model.segment(*levels, attended[:, 1:3], boxes[:, 1:3])
    torch.testing.assert_close(some, model(levels)[-1].mask_logits[:, 1:3])


def test_proposals_start_as_the_whole_frame(model):
    assert model.proposals.tolist() == [[[0.0, 0.0, 1.0, 1.0]] * N]


def test_temporal_attention_stays_in_a_query_and_spatial_attention_in_a_frame():
    attention = FactorisedAttention(C, 2).eval()
    with torch.no_grad():
        queries = torch.randn(T, N, C)
        changed = queries.clone()
        changed[0, 0] += 1.0
        attention.spatial.out.weight.zero_()
        difference = (attention(changed) - attention(queries)).abs().sum(2)
    assert bool((difference[:, 0] > 0).all()), "the query is known to all its frames"
    assert bool((difference[:, 1:] == 0).all()), "and to no other query"
    attention = FactorisedAttention(C, 2).eval()
    with torch.no_grad():
        attention.temporal.out.weight.zero_()
        difference = (attention(changed) - attention(queries)).abs().sum(2)
    assert bool((difference[0] > 0).all())
    assert bool((difference[1:] == 0).all())


def test_the_convolution_reads_a_frame_and_its_two_neighbours_and_nothing_else():
    convolve = TemporalDynamicConv(C, 4).eval()
    boxes = torch.tensor([0.1, 0.1, 0.9, 0.9]).repeat(5, 1, 1)
    queries, level = torch.randn(5, 1, C), torch.randn(5, 4, 4, C)
    changed = level.clone()
    changed[2] += torch.randn(4, 4, C)
    with torch.no_grad():
        before = convolve(queries, crop_neighbours([level], boxes, 2, 56.0))
        after = convolve(queries, crop_neighbours([changed], boxes, 2, 56.0))
    differs = ((before - after).abs().sum((1, 2)) > 0).tolist()
    assert differs == [False, True, True, True, False]


def test_a_neighbour_that_looks_alike_counts_as_much_as_the_frame_itself():
    """Softmax of cosines: three equal frames average to what each of them gives (Eq. 3)."""
    convolve = TemporalDynamicConv(C, 4).eval()
    queries = torch.randn(1, 1, C).repeat(3, 1, 1)
    crop = torch.randn(1, 4, C)
    with torch.no_grad():
        features = convolve(queries, crop.repeat(3, 3, 1))
        alone = convolve(queries[:1], crop.repeat(1, 3, 1))
    torch.testing.assert_close(features, alone.repeat(3, 1, 1))


def test_boxes_move_by_their_size():
    box = torch.tensor([[[0.2, 0.2, 0.4, 0.6]]])
    moved = refine_boxes(box, torch.tensor([[[2.0, 0.0, 0.0, 0.0]]]))
    torch.testing.assert_close(moved, torch.tensor([[[0.4, 0.2, 0.6, 0.6]]]))
    grown = refine_boxes(box, torch.tensor([[[0.0, 0.0, 0.0, 100.0]]]))
    assert float(grown[0, 0, 3] - grown[0, 0, 1]) == pytest.approx(0.4 * 1000 / 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_queries": 0}, "num_queries 0 is not a positive integer"),
        ({"heads": 3}, "dim 64 is not a multiple of the 3 heads"),
        ({"backbone": "resnet50"}, "efficientvis-tiny has no backbone resnet50"),
        ({"finest_scale": 0.0}, "finest_scale 0.0 is not positive"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        create_model("efficientvis-tiny", **options)


def test_a_clip_has_at_least_one_frame(model):
    with pytest.raises(ValueError, match="clip_length 0"):
        model.streaming(SIZE, clip_length=0)


def test_the_paper_configuration_has_a_head_and_a_mask_head_an_iteration():
    """No count is published; docs/models/efficientvis.md explains this one."""
    with torch.device("meta"):
        model = create_model("efficientvis-r50")
    assert len(model.iterations) == len(model.mask_heads) == 6
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(174.06, abs=0.01)
