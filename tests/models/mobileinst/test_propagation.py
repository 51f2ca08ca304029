"""The light encoder between keyframes: an entry of its own, which begins by keeping what the keyframe had."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.mobileinst.propagation import PropagationConfig

NAMES = ("mobileinst-topformer-tiny-propagate", "mobileinst-yolox-nano-propagate")
SIZE = (64, 128)


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    torch.manual_seed(0)
    return create_model(request.param, num_classes=3).eval()


def frames(seed: int) -> torch.Tensor:
    return 255 * torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed))


def test_a_frame_s_features_have_the_shape_of_the_keyframe_s(model):
    entry = model.streaming(SIZE).entries["propagate"]
    with torch.no_grad():
        features = model.propagate(*(torch.rand(shape) for shape in entry.inputs.values()))
    assert tuple(features.shape) == entry.outputs["mask_features"] == entry.inputs["keyframe_features"]


def test_untrained_learned_queries_meet_the_keyframe_s_features():
    model = create_model(NAMES[0], num_classes=3).eval()
    with torch.no_grad():
        kept = model.encode(frames(1))[0]
        assert torch.allclose(model.propagate(frames(2), kept), kept, atol=1e-5)


def test_dense_features_are_the_frame_s_own_but_for_what_is_told_at_stride_8(monkeypatch):
    """With what the mask branch itself would join there, propagated features are those of ``encode``."""
    model = create_model(NAMES[1]).eval()
    branch, joined = model.mask_branch, []
    refine = branch.refine
    monkeypatch.setattr(branch, "refine", lambda x, detail: joined.append(x) or refine(x, detail))
    with torch.no_grad():
        kept, wanted = model.encode(frames(1))[0], model.encode(frames(2))[0]
        monkeypatch.setattr(model.propagation, "forward", lambda *_: joined[1])
        assert torch.equal(model.propagate(frames(2), kept), wanted)


def test_dense_features_depend_on_the_keyframe_s():
    model = create_model(NAMES[1]).eval()
    with torch.no_grad():
        first, second = (model.propagate(frames(2), model.encode(frames(seed))[0]) for seed in (1, 3))
    assert not torch.allclose(first, second)


def test_folded_dense_propagation_computes_the_same():
    torch.manual_seed(0)
    propagation = create_model("mobileinst-yolox-nano-propagate", num_classes=3).eval().propagation
    given = torch.randn(2, 64, 8, 12), torch.randn(2, 128, 4, 6), torch.randn(2, 37, 16, 24)
    with torch.no_grad():
        expected = propagation(*given)
        propagation.fold()
        propagation.fold()
        torch.testing.assert_close(propagation(*given), expected, rtol=1e-5, atol=1e-6)


def test_where_a_frame_is_never_changes():
    """The last channels of dense mask features are coordinates, which no network has to learn."""
    model = create_model(NAMES[1]).eval()
    torch.nn.init.normal_(model.propagation.write.weight)
    with torch.no_grad():
        kept = model.encode(frames(1))[0]
        features = model.propagate(frames(2), kept)
    assert torch.equal(features[:, -5:], kept[:, -5:])
    assert not torch.allclose(features[:, :-5], kept[:, :-5])


@pytest.mark.parametrize("name", [name.removesuffix("-propagate") for name in NAMES])
def test_published_names_encode_every_frame(name):
    model = create_model(name)
    assert model.config.propagation is None
    assert "propagate" not in model.streaming(SIZE).entries


@pytest.mark.parametrize("interval", [1, 2, 5])
def test_the_gate_s_driver_runs_it(model, interval):
    streaming = model.streaming(SIZE, keyframe_interval=interval)
    assert streaming.driver_options["keyframe_interval"] == interval
    assert streaming.gate_options["keyframe_interval"] >= 2


def test_a_saved_configuration_builds_it_again(model):
    again = create_model("mobileinst-topformer-tiny", propagation={"width": 8, "depth": 1})
    assert again.config.propagation == PropagationConfig(8, 1)
    assert type(model.config)(**asdict(model.config)) == model.config


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"widht": 8}, "it has width and depth"),
        (8, "it has width and depth"),
        ({"width": 0}, "propagation.width 0 is not a positive integer"),
        ({"depth": 1.5}, "propagation.depth 1.5 is not a positive integer"),
    ],
)
def test_what_is_no_size_of_it_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        create_model("mobileinst-topformer-tiny", propagation=value)
