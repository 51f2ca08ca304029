"""MinVIS, DVIS++ and TAR on both: sizes, entries, and what an entry computes against training's forward."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from mobilevis.benchmarks.cost.profiling import profile_model
from mobilevis.models import create_model
from mobilevis.models.minvis.minvis import MinVIS
from mobilevis.models.minvis.tar import (
    Router,
    Synchroniser,
    TemporalRouting,
    draw_nudges,
    straight_through,
)

SIZE = (64, 64)
NAMES = ("minvis-tiny", "minvis-tar-tiny", "dvis-plus-tiny", "dvis-plus-tar-tiny")
MOBILE = ("minvis-topformer-tiny", "dvis-plus-tar-topformer-tiny")
SMALL = {"num_classes": 3, "num_queries": 5, "dim": 32, "decoder_layers": 4, "encoder_layers": 1}


def tiny(name: str = "minvis-tiny", **config: object) -> MinVIS:
    torch.manual_seed(0)
    model = create_model(name, **{**SMALL, **config})
    assert isinstance(model, MinVIS)
    return model.eval()


def frames(batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize(("size", "millions"), [("r50", 44), ("swin-tiny", 47), ("swin-large", 216)])
def test_minvis_has_mask2formers_published_parameters(size, millions):
    parameters = profile_model(create_model(f"minvis-{size}"), (64, 64)).parameters
    assert parameters == pytest.approx(millions * 1e6, rel=0.02)


@pytest.mark.parametrize("name", NAMES + MOBILE)
def test_entries_run_at_the_shapes_that_they_declare(name):
    model = tiny(name)
    with torch.no_grad():
        for entry in model.streaming(SIZE, max_instances=2).entries.values():
            inputs = (torch.rand(shape) for shape in entry.inputs.values())
            out = getattr(model, entry.method)(*entry.arguments, *inputs)
            outputs = out if isinstance(out, tuple) else (out,)
            assert [tuple(x.shape) for x in outputs] == list(entry.outputs.values())
            assert all(x.isfinite().all() for x in outputs)


def test_a_backbone_made_for_phones_asks_for_its_own_size():
    assert tiny().size_multiple == 32
    assert tiny("minvis-topformer-tiny").size_multiple == 64


@pytest.mark.parametrize("name", NAMES + MOBILE)
def test_a_configuration_builds_the_model_again(name):
    model = tiny(name)
    again = create_model(name, **asdict(model.config))
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"dim": 48}, "no multiple of 32"),
        ({"num_queries": 0}, "num_queries 0 is not a positive integer"),
        ({"warmup": 4}, "leaves none of the 4 layers to route"),
        ({"synchroniser": "bipartite"}, "known are attention, none"),
        ({"found": 0.0}, "found is 0.0"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        tiny("minvis-tar-tiny", **config)


def test_more_masks_than_queries_are_refused():
    with pytest.raises(ValueError, match="max_instances 6 is not in 1…5"):
        tiny().streaming(SIZE, max_instances=6)


def test_the_entries_in_a_row_are_the_last_prediction_of_training():
    model = tiny()
    with torch.no_grad():
        mask_features, *levels = model.encode(frames())
        _, kernels, scores = model.decode(*levels)
        last = model(frames())[-1]
        torch.testing.assert_close(model.segment(kernels, mask_features), last.mask_logits)
    torch.testing.assert_close(scores, last.class_logits.softmax(-1)[..., :-1])


def test_training_reads_the_learned_queries_and_every_layer():
    assert len(tiny()(frames(2))) == 1 + SMALL["decoder_layers"]


def test_a_frame_gives_the_same_in_a_batch_as_alone():
    model = tiny()
    with torch.no_grad():
        both = model(frames(2))[-1]
        alone = model(frames(2)[1:])[-1]
    torch.testing.assert_close(both.mask_logits[1:], alone.mask_logits, rtol=1e-3, atol=1e-3)


def routed(name: str = "minvis-tar-tiny", **config: object) -> TemporalRouting:
    model = tiny(name, **config)
    assert isinstance(model, TemporalRouting)
    return model


def decide(model: TemporalRouting, kept: set[int]) -> None:
    """Make the routers keep these layers and no other."""
    for index, router in enumerate(model.routers, start=model.config.warmup):
        last = router.mlp[-1]
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(torch.tensor([0.0, 1.0] if index in kept else [1.0, 0.0]))


def test_new_routers_keep_every_layer():
    model = routed()
    with torch.no_grad():
        features = model.features(frames())
        previous = model.refine(features).queries[-1]
        assert model.refine(features, previous).kept.tolist() == [[1.0, 1.0, 1.0]]


def test_training_computes_what_the_host_does_with_the_layers_that_are_kept():
    model = routed()
    decide(model, {2})
    with torch.no_grad():
        features = model.features(frames())
        previous = model.refine(features).queries[-1]
        steps = model.refine(features, previous)
        memories, guides = features.memories, features.guides
        queries = model.first_layer(memories[0], guides[0])
        queries = model.synchronise(queries, previous)
        queries = model.layer(2, queries, memories[2], guides[2])
    torch.testing.assert_close(steps.queries[-1], queries)
    assert steps.kept.tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("warmup", [1, 2])
def test_standing_still_is_the_same_frame_again_and_again(warmup):
    model = routed(warmup=warmup)
    decide(model, {3})
    with torch.no_grad():
        features = model.features(frames(2))
        previous = first = model.refine(features).queries[-1]
        for _ in range(3):
            previous = model.refine(features, previous).queries[-1]
    torch.testing.assert_close(model.stand_still(features, first, frames=3), previous)


def test_the_first_frame_is_decoded_as_without_routing():
    model = routed()
    decide(model, set())
    with torch.no_grad():
        features = model.features(frames())
        torch.testing.assert_close(model.refine(features).queries, MinVIS.refine(model, features).queries)


def test_a_router_reads_both_frames_queries_and_their_difference():
    """TAR, Eq. 4–5: an MLP of [q, p, q − p], summed over the queries."""
    router = Router(dim=8, num_queries=5)
    first, last = router.mlp[0], router.mlp[-1]
    torch.nn.init.normal_(last.weight)
    queries, previous = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    own, old, change = first.weight.split(8, dim=1)
    with torch.no_grad():
        hidden = queries @ own.T + previous @ old.T + (queries - previous) @ change.T + first.bias
        expected = (hidden.relu() @ last.weight.T + last.bias).sum(1)
        torch.testing.assert_close(router(queries, previous), expected)


def test_the_synchroniser_asks_with_the_last_queries_and_adds_to_them():
    """TAR, Eq. 2–3: what is found among this frame's queries is added to the last frame's, and normed."""
    synchroniser = Synchroniser(dim=8, heads=2)
    attention, queries, previous = synchroniser.attention, torch.randn(1, 5, 8), torch.randn(1, 6, 8)
    with torch.no_grad():
        found = attention(previous, queries, queries) + previous
        torch.testing.assert_close(
            synchroniser(queries, previous), torch.nn.functional.layer_norm(found, (8,))
        )


def test_the_straight_through_gate_is_one_hot_with_the_gradient_of_the_softmax():
    """TAR, Eq. 8–9."""
    scores = torch.tensor([[1.0, 2.0], [0.5, -0.5]], requires_grad=True)
    gate = straight_through(scores)
    torch.testing.assert_close(gate.detach(), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    (gradient,) = torch.autograd.grad(gate[:, 1].sum(), scores)
    soft = scores.detach().softmax(-1)
    torch.testing.assert_close(gradient[:, 1], soft[:, 0] * soft[:, 1])


def test_a_new_synchroniser_finds_the_last_queries_in_any_order():
    model = routed()
    previous = torch.nn.functional.layer_norm(torch.randn(1, 5, 32), (32,))
    with torch.no_grad():
        found = model.synchronise(previous[:, torch.randperm(5)], previous)
    assert float(torch.cosine_similarity(found, previous, dim=-1).min()) > 0.9


def test_a_new_synchroniser_may_leave_the_last_queries_nearly_as_they_are():
    model = routed(found=0.01)
    previous = torch.nn.functional.layer_norm(torch.randn(1, 5, 32), (32,))
    with torch.no_grad():
        handed_on = model.synchronise(torch.randn(1, 5, 32), previous)
    torch.testing.assert_close(handed_on, previous, atol=0.1, rtol=0)


def test_exploration_draws_any_share_of_the_layers_of_some_frames():
    torch.manual_seed(0)
    nudges = draw_nudges(20_000, 4, probability=0.25)
    drawn = nudges[nudges.any(dim=1)]
    assert len(drawn) / len(nudges) == pytest.approx(0.25, abs=0.01)
    shares = (drawn > 0).sum(dim=1).bincount().float() / len(drawn)
    torch.testing.assert_close(shares, torch.full((5,), 0.2), atol=0.02, rtol=0)


def test_layers_are_drawn_in_training_only():
    torch.manual_seed(0)
    model = routed()
    model.exploration = 1.0
    with torch.no_grad():
        features = model.features(frames())
        previous = model.refine(features).queries[-1]
        assert model.refine(features, previous).kept.tolist() == [[1.0, 1.0, 1.0]]
        model.train()
        kept = {tuple(model.refine(features, previous).kept[0].tolist()) for _ in range(40)}
    assert len(kept) > 4


def test_the_synchroniser_does_not_care_in_which_order_a_frame_has_its_queries():
    """That is what lets a router compare query by query (TAR, Table 3)."""
    model = routed()
    queries, previous = torch.randn(1, 5, 32), torch.randn(1, 5, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            model.synchronise(queries[:, torch.randperm(5)], previous), model.synchronise(queries, previous)
        )


def test_without_a_synchroniser_a_static_scene_looks_changed_to_the_routers():
    """The difference that Eq. 4 feeds to a router says nothing unless both frames' queries are aligned."""

    def difference(synchroniser: str) -> float:
        model = routed(synchroniser=synchroniser)
        with torch.no_grad():
            features = model.features(frames())
            shuffled = model.refine(features).queries[-1][:, torch.randperm(5)]
            start = model.refine(features, shuffled).queries[2 if synchroniser == "attention" else 1]
            return float((start - shuffled).norm() / shuffled.norm())

    assert difference("attention") < 0.8 * difference("none")


def test_the_first_frame_of_a_video_refers_to_itself():
    model = tiny("dvis-plus-tiny")
    queries = torch.randn(1, 5, 32)
    with torch.no_grad():
        state, _, scores = model.begin(queries)
        again, _, _ = model.track(queries, queries, state)
    assert state.shape == again.shape == (1, 5, 32)
    assert scores.sum(-1).max() < 1.0


def test_the_tracker_asks_with_its_last_state():
    model = tiny("dvis-plus-tiny")
    queries, last = torch.randn(1, 5, 32), torch.randn(1, 5, 32)
    with torch.no_grad():
        state, _, _ = model.track(queries, queries, last)
        other, _, _ = model.track(queries, queries, last + 1.0)
    assert not torch.allclose(state, other)
