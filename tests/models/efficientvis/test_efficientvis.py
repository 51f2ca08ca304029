"""EfficientVIS: what looks at what, and that its entries fit together."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.blocks.roi import pyramid_roi_align
from mobilevis.models.efficientvis.efficientvis import EfficientVIS
from mobilevis.models.efficientvis.interaction import (
    SELF_ATTENTIONS,
    TemporalDynamicConv,
    TrackletAttention,
    refine_boxes,
)

SIZE = (64, 96)
T, N, C, K = 3, 4, 16, 5


@pytest.fixture
def model() -> EfficientVIS:
    torch.manual_seed(0)
    small = {"clip_length": T, "num_queries": N, "dim": C, "heads": 2, "iterations": 2}
    model = create_model("efficientvis-tiny", num_classes=K, hidden=16, dynamic_dim=4, **small)
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
    attention = TrackletAttention(C, 2).eval()
    with torch.no_grad():
        queries = torch.randn(T, N, C)
        changed = queries.clone()
        changed[0, 0] += 1.0
        attention.spatial.out.weight.zero_()
        difference = (attention(changed) - attention(queries)).abs().sum(2)
    assert bool((difference[:, 0] > 0).all()), "the query is known to all its frames"
    assert bool((difference[:, 1:] == 0).all()), "and to no other query"
    attention = TrackletAttention(C, 2).eval()
    with torch.no_grad():
        attention.temporal.out.weight.zero_()
        difference = (attention(changed) - attention(queries)).abs().sum(2)
    assert bool((difference[0] > 0).all())
    assert bool((difference[1:] == 0).all())


def crop(frames: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Frames (T, H, W, C) as a pyramid of one level, and one box a frame (T, 4) → crops (T, 1, 4, C)."""
    return pyramid_roi_align([frames], boxes[:, None], 2, 56.0)


def test_the_convolution_reads_a_frame_and_its_two_neighbours_and_nothing_else():
    convolve = TemporalDynamicConv(C, 4).eval()
    boxes = torch.tensor([0.1, 0.1, 0.9, 0.9]).repeat(5, 1)
    queries, frames = torch.randn(5, 1, C), torch.randn(5, 4, 4, C)
    changed = frames.clone()
    changed[2] += torch.randn(4, 4, C)
    with torch.no_grad():
        before, after = convolve(queries, crop(frames, boxes)), convolve(queries, crop(changed, boxes))
    differs = ((before - after).abs().sum((1, 2)) > 0).tolist()
    assert differs == [False, True, True, True, False]


def test_a_neighbour_is_seen_where_its_own_box_is():
    """Eq. 3's φ(f^t', b^t'): an object that its boxes follow looks the same in every frame's crop."""
    convolve = TemporalDynamicConv(C, 4).eval()
    queries = torch.randn(1, 1, C).repeat(3, 1, 1)
    thing = torch.randn(4, 4, C)
    frames, still = torch.zeros(3, 8, 16, C), torch.zeros(3, 8, 16, C)
    for t in range(3):
        frames[t, 2:6, 6 * t : 6 * t + 4], still[t, 2:6, 6:10] = thing, thing
    boxes = torch.tensor([[6 * t / 16, 2 / 8, (6 * t + 4) / 16, 6 / 8] for t in range(3)])
    with torch.no_grad():
        moving = convolve(queries, crop(frames, boxes))
        resting = convolve(queries, crop(still, boxes[1:2].repeat(3, 1)))
    torch.testing.assert_close(moving, resting)


def test_what_leaves_a_neighbours_box_is_not_seen_there():
    convolve = TemporalDynamicConv(C, 4).eval()
    queries, frames = torch.randn(3, 1, C), torch.randn(3, 8, 16, C)
    boxes = torch.tensor([[0.0, 0.0, 0.25, 1.0], [0.4, 0.0, 0.6, 1.0], [0.75, 0.0, 1.0, 1.0]])
    changed = frames.clone()
    changed[0, :, 5:] += 1.0  # where frames 1 and 2 look, but frame 0 does not
    with torch.no_grad():
        assert torch.equal(convolve(queries, crop(frames, boxes)), convolve(queries, crop(changed, boxes)))


def test_every_box_is_cropped_once(model, levels, monkeypatch):
    """Three frames share a crop: cropping each neighbour anew would cost three times as much."""
    from mobilevis.models.efficientvis import interaction

    counted: list[int] = []

    def count(levels, boxes, bins, finest_scale):
        counted.append(boxes.shape[0] * boxes.shape[1])
        return pyramid_roi_align(levels, boxes, bins, finest_scale)

    monkeypatch.setattr(interaction, "pyramid_roi_align", count)
    decode(model, levels)
    assert counted == [T * N] * len(model.iterations)


def test_a_neighbour_that_looks_alike_counts_as_much_as_the_frame_itself():
    """Softmax of cosines: three equal frames average to what each of them gives (Eq. 3)."""
    convolve, still = TemporalDynamicConv(C, 4).eval(), TemporalDynamicConv(C, 4, temporal=False).eval()
    still.load_state_dict(convolve.state_dict())
    queries, crops = torch.randn(1, 1, C).repeat(3, 1, 1), torch.randn(1, 1, 4, C).repeat(3, 1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(convolve(queries, crops), still(queries, crops))


def test_the_still_image_convolution_reads_its_own_frame_alone():
    convolve = TemporalDynamicConv(C, 4, temporal=False).eval()
    queries, crops = torch.randn(3, 1, C), torch.randn(3, 1, 4, C)
    changed = crops.clone()
    changed[1] += 1.0
    with torch.no_grad():
        differs = (convolve(queries, crops) - convolve(queries, changed)).abs().sum((1, 2)) > 0
    assert differs.tolist() == [False, True, False]


# Whether a change of embedding (0, 0) reaches its query in another frame, another query in its frame, and
# another query in another frame (Table 1a).
REACHES = {
    "temporal": (True, False, False),
    "spatial": (False, True, False),
    "joint": (True, True, True),
    "factorised": (True, True, True),
}


def test_each_scheme_of_self_attention_reaches_what_it_is_called_after():
    assert REACHES.keys() == SELF_ATTENTIONS.keys()
    for scheme, reached in REACHES.items():
        attention, queries = TrackletAttention(C, 2, scheme).eval(), torch.randn(T, N, C)
        changed = queries.clone()
        changed[0, 0] += torch.randn(C)
        with torch.no_grad():
            differs = (attention(changed) - attention(queries)).abs().sum(2) > 0
        assert (bool(differs[1, 0]), bool(differs[0, 1]), bool(differs[1, 1])) == reached, scheme


def test_a_query_that_time_shares_enters_every_iteration_with_one_embedding():
    small = {"clip_length": T, "num_queries": N, "dim": C, "heads": 2, "iterations": 2, "hidden": 16}
    shared = create_model("efficientvis-tiny", time_shared=True, **small).eval()
    entered: list[torch.Tensor] = []
    shared.iterations[1].register_forward_pre_hook(lambda _, inputs: entered.append(inputs[1]))
    with torch.no_grad():
        first = shared(shared.encode(255 * torch.rand(T, 3, *SIZE)))[0].interaction.queries
    torch.testing.assert_close(entered[0], first.mean(0, keepdim=True).repeat(T, 1, 1))
    assert not torch.allclose(first[0], first[1])


# The rows of Table 1 as configurations, docs/models/efficientvis.md; the first is the paper's own choice.
ABLATIONS = {
    "Table 1: ours": {},
    **{f"Table 1a: {scheme}": {"self_attention": scheme} for scheme in SELF_ATTENTIONS},
    "Table 1b: still-image": {"temporal_conv": False},
    "Table 1c: T = 9": {"clip_length": 9},
    "Table 1f: time shared": {"time_shared": True},
}


@pytest.mark.parametrize("options", ABLATIONS.values(), ids=ABLATIONS.keys())
def test_a_row_of_the_papers_ablations_is_a_configuration(options):
    config = {
        "clip_length": T,
        "num_queries": N,
        "dim": C,
        "heads": 2,
        "iterations": 2,
        "hidden": 16,
        **options,
    }
    model = create_model("efficientvis-tiny", num_classes=K, dynamic_dim=4, **config).eval()
    frames = config["clip_length"]
    with torch.no_grad():
        levels = model.encode(255 * torch.rand(frames, 3, *SIZE))
        scores, boxes, attended, _ = decode(model, levels)
        masks = model.segment(*levels, attended, boxes)
    assert scores.shape == (frames, N, K)
    assert all(x.isfinite().all() for x in (scores, boxes, masks))
    convolutions = [x for x in model.modules() if isinstance(x, TemporalDynamicConv)]
    assert {x.temporal for x in convolutions} == {options.get("temporal_conv", True)}
    steps = {x.steps for x in model.modules() if isinstance(x, TrackletAttention)}
    assert steps == {SELF_ATTENTIONS[options.get("self_attention", "factorised")]}


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
        ({"backbone": "vit"}, "backbone 'vit' is not known; known are resnet50"),
        ({"finest_scale": 0.0}, "finest_scale 0.0 is not positive"),
        ({"box_bins": 0}, "box_bins 0 is not a positive integer"),
        ({"self_attention": "all"}, "self_attention 'all' is not known; known are factorised, spatial"),
        ({"feed_forward": 8, "hidden": 8}, "no configuration feed_forward"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        create_model("efficientvis-tiny", **options)


def test_the_feed_forward_width_is_found_under_its_former_name():
    """Checkpoints of earlier versions say ``feed_forward``."""
    assert create_model("efficientvis-tiny", feed_forward=24).config.hidden == 24


def test_a_clip_has_at_least_one_frame(model):
    with pytest.raises(ValueError, match="clip_length 0"):
        model.streaming(SIZE, clip_length=0)


def test_the_paper_configuration_has_a_head_and_a_mask_head_an_iteration():
    """No count is published; docs/models/efficientvis.md explains this one."""
    with torch.device("meta"):
        model = create_model("efficientvis-r50")
    assert len(model.iterations) == len(model.mask_heads) == 6
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(174.06, abs=0.01)
