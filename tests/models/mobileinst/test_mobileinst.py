"""MobileInst: shapes, ablations, entries and query passing."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor, nn

from mobilevis.models import create_model
from mobilevis.models.backbones import BACKBONES
from mobilevis.models.mobileinst.instance_decoder import POOLINGS, STAGES
from mobilevis.models.mobileinst.mask_decoder import MASK_DECODERS
from mobilevis.models.mobileinst.mobileinst import MobileInst, MobileInstConfig

SIZE = (64, 128)


def _tiny(**config) -> MobileInst:
    torch.manual_seed(0)
    model = create_model("mobileinst-topformer-tiny", **{"num_queries": 7, "num_classes": 5, **config})
    assert isinstance(model, MobileInst)
    return model.eval()


def _frames(batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 255


@pytest.fixture(scope="module")
def model() -> MobileInst:
    return _tiny()


ABLATIONS = [
    *({"instance_decoder": name} for name in STAGES),
    *({"pooling": name} for name in POOLINGS),
    *({"mask_decoder": name} for name in MASK_DECODERS),
    *({"num_queries": n} for n in (1, 200)),
    {"dim": 64, "heads": 4, "num_classes": 1},
]


@pytest.mark.parametrize("config", ABLATIONS, ids=lambda config: "-".join(map(str, config.values())))
def test_every_ablation_runs_its_entries_at_the_shapes_that_it_declares(config):
    model = _tiny(**config)
    with torch.no_grad():
        for entry in model.streaming(SIZE, max_instances=1).entries.values():
            out = getattr(model, entry.method)(*(torch.rand(shape) for shape in entry.inputs.values()))
            outputs = out if isinstance(out, tuple) else (out,)
            assert [tuple(x.shape) for x in outputs] == list(entry.outputs.values())
            assert all(x.isfinite().all() for x in outputs)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_trains_a_step(backbone):
    model = create_model(f"mobileinst-{backbone}", num_queries=3, num_classes=2)
    out = model(_frames(2))
    assert out.mask_logits.shape == (2, 3, 16, 32)
    assert out.class_logits.shape == (2, 3, 2)
    assert out.objectness_logits.shape == (2, 3)
    (out.mask_logits.mean() + out.class_logits.mean() + out.objectness_logits.mean()).backward()
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_forward_is_the_entries_in_a_row(model):
    frames = _frames()
    with torch.no_grad():
        out = model(frames)
        mask_features, global_features = model.encode(frames)
        kernels, scores = model.decode(mask_features, global_features)
        torch.testing.assert_close(out.mask_logits, model.segment(kernels, mask_features))
    objectness = out.objectness_logits.sigmoid().unsqueeze(-1)
    torch.testing.assert_close(scores, (out.class_logits.sigmoid() * objectness).sqrt())


def test_a_frame_gives_the_same_in_a_batch_as_alone(model):
    frames = _frames(3)
    with torch.no_grad():
        together, alone = model(frames), model(frames[1:2])
    for key in ("mask_logits", "class_logits", "objectness_logits", "kernels"):
        torch.testing.assert_close(getattr(together, key)[1:2], getattr(alone, key), rtol=1e-4, atol=1e-4)


def test_segment_takes_any_number_of_kernels_and_treats_each_alone(model):
    with torch.no_grad():
        mask_features, _ = model.encode(_frames())
        kernels = torch.randn(1, 5, model.dim)
        masks = model.segment(kernels, mask_features)
        torch.testing.assert_close(model.segment(kernels[:, 2:3], mask_features), masks[:, 2:3])
        assert not model.segment(torch.zeros(1, 20, model.dim), mask_features).any()


def test_normalisation_is_inside(model):
    seen = []
    hook = model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model.encode(torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1).expand(1, 3, *SIZE))
        model.encode(torch.tensor([182.07, 173.4, 160.905]).view(1, 3, 1, 1).expand(1, 3, *SIZE))
    hook.remove()
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, *SIZE), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen[1], torch.ones(1, 3, *SIZE), rtol=0, atol=1e-5)


def test_passing_a_frame_s_own_queries_is_its_own_decoding(model):
    with torch.no_grad():
        out = model(_frames())
        again = model.decode_from_queries(out.passing_queries, out.mask_features, out.global_features)
    torch.testing.assert_close(again.kernels, out.kernels)


@pytest.mark.parametrize(
    ("stages", "reads_mask_features", "reads_global_features"),
    [("global-local", True, False), ("local-local", True, False), ("global-global", False, True)],
)
def test_passed_queries_meet_the_features_of_the_remaining_stage(
    stages, reads_mask_features, reads_global_features
):
    model = _tiny(instance_decoder=stages)
    with torch.no_grad():
        out = model(_frames())

    def kernels(mask_features: Tensor, global_features: Tensor) -> Tensor:
        return model.decode_from_queries(out.passing_queries, mask_features, global_features).kernels

    with torch.no_grad():
        same = kernels(out.mask_features, out.global_features)
        others = torch.rand_like(out.mask_features), torch.rand_like(out.global_features)
        assert torch.equal(kernels(others[0], out.global_features), same) is not reads_mask_features
        assert torch.equal(kernels(out.mask_features, others[1]), same) is not reads_global_features


def test_gradients_reach_the_first_frame_through_its_passed_queries():
    model = _tiny().train()
    first, second = _frames(), 255 - _frames()
    out = model(first)
    mask_features, global_features = model.encode(second)
    kernels = model.decode_from_queries(out.passing_queries, mask_features, global_features).kernels
    model.segment(kernels, mask_features).mean().backward()
    assert model.instance_decoder.stages[0].cross_attention.query.weight.grad.abs().sum() > 0


def test_maximum_pooling_is_over_squares_of_the_mask_features():
    decoder = _tiny(pooling="max4").instance_decoder
    features = torch.randn(1, decoder.queries.shape[-1], 8, 16)
    squares = features.unfold(2, 4, 4).unfold(3, 4, 4).amax(dim=(-1, -2))
    torch.testing.assert_close(decoder.local_features(features), squares)


def test_random_weights_start_at_the_prior_and_tell_slots_apart(model):
    with torch.no_grad():
        out = model(_frames())
        _, scores = model.decode(out.mask_features, out.global_features)
    assert out.class_logits.sigmoid().mean().item() == pytest.approx(0.01, rel=0.2)
    assert scores.unique().numel() > scores.numel() // 2


def test_seeded_weights_are_the_same_each_time(model):
    again = _tiny()
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


def test_only_semantic_enhancers_and_the_projection_read_the_tokens():
    plain, enhanced = _tiny(mask_decoder="iterative"), _tiny()
    assert len(plain.mask_decoder.enhancers) == 0
    assert len(enhanced.mask_decoder.enhancers) == 2


def test_the_published_number_of_parameters_of_the_flagship():
    model = create_model("mobileinst-topformer-base")
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(12.22, abs=0.005)
    convolutions = [
        m for m in model.mask_decoder.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert len(convolutions) == 9


def test_driver_options_agree_with_the_entries(model):
    streaming = model.streaming(SIZE, max_instances=4)
    segment = streaming.entries["segment"]
    assert segment.inputs["kernels"] == (1, streaming.driver_options["max_instances"], model.dim)
    assert segment.outputs["mask_logits"][2] * streaming.driver_options["mask_stride"] == SIZE[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"backbone": "resnet"}, "backbone 'resnet' is not known; known are topformer-tiny"),
        ({"instance_decoder": "both"}, "known are global, local, global-local, global-global, local-local"),
        ({"pooling": "max3"}, "known are none, max4, max8, avg4, avg8"),
        ({"mask_decoder": "fpn"}, "known are fpn-1conv, .*iterative-se"),
        ({"num_queries": 0}, "num_queries 0 is not a positive integer"),
        ({"num_classes": "many"}, "num_classes 'many' is not a positive integer"),
        ({"dim": 100}, "dim 100 is not a multiple"),
        ({"drop_path": 1.0}, "drop_path 1.0 is not in"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        MobileInstConfig(**config)


def test_a_configuration_builds_the_same_model_again(model):
    again = create_model("mobileinst-topformer-tiny", **asdict(model.config))
    again.load_state_dict(model.state_dict())


def test_the_keyframe_interval_is_an_export_option_that_only_the_driver_reads(model):
    rare = model.streaming(SIZE, keyframe_interval=6)
    assert rare.entries == model.streaming(SIZE).entries
    assert rare.driver_options["keyframe_interval"] == 6
    with pytest.raises(ValueError, match="keyframe_interval 0 is not a positive integer"):
        model.streaming(SIZE, keyframe_interval=0)
