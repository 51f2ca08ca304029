"""Mask2Former: transformers' implementation, and ours with the weights of its file."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mobilevis.models import create_model
from mobilevis.models.blocks import mask2former
from mobilevis.models.weights.checkpoint import load_weights
from mobilevis.runtime.errors import UserError
from tests.models.weights.published_files import dvis_tracker
from tests.models.weights.pyramid_files import unfolded
from tests.parity.conftest import CLASSES, DIM, ENCODER_LAYERS, HEADS, LAYERS, QUERIES
from tests.parity.detectron2_names import as_detectron2
from tests.parity.mmdetection_names import as_mmdetection

pytestmark = pytest.mark.parity

MODELS = {"resnet": "minvis-tiny", "swin": "minvis-swin-tiny"}
# What such a file has beyond the network: the loss's weights, and a norm that no level comes from.
LEFT = {"resnet": {"criterion.empty_weight"}}
LEFT["swin"] = LEFT["resnet"] | {
    f"model.pixel_level_module.encoder.swin.layernorm.{name}" for name in ("weight", "bias")
}


def our_model(backbone, name=None, **options):
    return create_model(
        name or MODELS[backbone],
        num_classes=CLASSES,
        num_queries=QUERIES,
        dim=DIM,
        heads=HEADS,
        encoder_layers=ENCODER_LAYERS,
        encoder_hidden=128,
        decoder_layers=LAYERS,
        decoder_hidden=256,
        **options,
    ).eval()


def step_of_the_paper(mask_logits: Tensor) -> Tensor:
    """Mask2Former, Eq. 3: nothing below a probability of 0.5 is seen; a row without a cell above sees all."""
    masked = mask_logits < 0
    masked = masked & ~masked.all(dim=-1, keepdim=True)
    return torch.zeros_like(mask_logits).masked_fill(masked, float("-inf"))


def predictions(model, theirs, frames):
    """(class logits, mask logits) of the learned queries and after each layer, ours and transformers'."""
    with torch.no_grad():
        ours = [tuple(layer) for layer in model(frames)]
        found = theirs(pixel_values=model.normalise(frames), output_auxiliary_logits=True)
    last = (found.class_queries_logits, found.masks_queries_logits)
    auxiliary = [(x["class_queries_logits"], x["masks_queries_logits"]) for x in found.auxiliary_logits]
    return ours, [*auxiliary, last]


@pytest.mark.parametrize("backbone", MODELS)
def test_every_layer_says_what_transformers_says(hugging_face, monkeypatch, backbone):
    monkeypatch.setattr(mask2former, "attention_bias", step_of_the_paper)
    theirs, file = hugging_face(backbone)
    model = our_model(backbone)
    report = load_weights(model, file)
    assert set(report.unmatched) == LEFT[backbone]
    assert not report.missing
    ours, expected = predictions(model, theirs, 255 * torch.rand(2, 3, 64, 96))
    assert len(ours) == len(expected) == LAYERS + 1
    for layer, (mine, other) in enumerate(zip(ours, expected)):
        for a, b in zip(mine, other):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4, msg=lambda m, n=layer: f"layer {n}: {m}")


@pytest.mark.parametrize(
    ("name", "fresh"),
    [
        ("minvis-tar-tiny", ("synchroniser", "routers")),
        ("dvis-plus-tiny", ("tracker",)),
        ("maxtron-vis-tiny", ("cross_clip_module", "pixel_decoder.inside")),
    ],
)
def test_what_is_built_on_mask2former_starts_from_it(hugging_face, name, fresh):
    _, file = hugging_face("resnet")
    model, plain = our_model("resnet", name), our_model("resnet")
    load_weights(plain, file)
    report = load_weights(model, file, name, fresh)
    state = model.state_dict()
    assert all(torch.equal(state[key], x) for key, x in plain.state_dict().items())
    assert report.missing
    assert all(any(f".{part}." in f".{key}." for part in fresh) for key in report.missing)


def test_a_file_for_other_classes_leaves_the_class_head(hugging_face):
    _, file = hugging_face("resnet")
    model = create_model("minvis-tiny", num_classes=7, decoder_layers=LAYERS).eval()
    before = model.decoder.class_head.weight.clone()
    report = load_weights(model, file)
    assert set(report.other_classes) == {"decoder.class_head.weight", "decoder.class_head.bias"}
    assert torch.equal(model.decoder.class_head.weight, before)


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("minvis-tiny", {"decoder_layers": LAYERS + 1}, rf"lacks decoder\.layers\.{LAYERS}\."),
        (
            "minvis-tiny",
            {"decoder_layers": LAYERS, "encoder_hidden": 64},
            r"is \(128, 64\) there, \(64, 64\)",
        ),
        ("dvis-plus-tiny", {"decoder_layers": LAYERS}, r"lacks tracker\."),
        ("seqformer-tiny", {}, "SeqFormer is not built on"),
    ],
)
def test_a_model_that_the_file_does_not_fit_is_refused(hugging_face, name, options, what):
    _, file = hugging_face("resnet")
    model = create_model(name, num_classes=CLASSES, **options)
    before = {key: x.clone() for key, x in model.state_dict().items()}
    with pytest.raises(UserError, match=what):
        load_weights(model, file)
    assert all(torch.equal(before[key], x) for key, x in model.state_dict().items())


@pytest.mark.parametrize("backbone", MODELS)
@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_detectron2s_files_bring_the_same_weights(hugging_face, tmp_path, backbone, form):
    """The model zoo's pickled arrays, and checkpoints of MinVIS's and DVIS++'s code."""
    _, file = hugging_face(backbone)
    expected, model = our_model(backbone), our_model(backbone)
    load_weights(expected, file)
    tensors = as_detectron2(load_file(file))
    tensors = {name: x for name, x in tensors.items() if not name.endswith("num_batches_tracked")}
    path = tmp_path / {"pickle": "model_final.pkl", "torch": "model_final.pth"}[form]
    if form == "pickle":
        content = {"model": {name: x.numpy() for name, x in tensors.items()}, "__author__": "MaskFormer"}
        path.write_bytes(pickle.dumps(content))
    else:
        tensors["sem_seg_head.predictor.static_query.weight"] = tensors.pop(
            "sem_seg_head.predictor.query_feat.weight"
        )
        torch.save({"model": tensors, "iteration": 368750}, path)
    report = load_weights(model, path)
    assert all(
        name.startswith(("criterion.", "model.pixel_level_module.encoder.swin")) for name in report.unmatched
    )
    state = expected.state_dict()
    for name, x in model.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(x, state[name]), name


@pytest.mark.parametrize("backbone", MODELS)
@pytest.mark.parametrize("version", [2, 3])
def test_mmdetections_files_bring_the_same_weights(hugging_face, tmp_path, backbone, version):
    _, file = hugging_face(backbone)
    expected, model = our_model(backbone), our_model(backbone)
    load_weights(expected, file)
    tensors = unfolded(as_mmdetection(as_detectron2(load_file(file)), version))
    tensors["panoptic_head.extra.weight"] = torch.zeros(1)
    torch.save({"meta": {"epoch": 50}, "state_dict": tensors}, tmp_path / "mmdet.pth")
    report = load_weights(model, tmp_path / "mmdet.pth")
    assert not report.missing
    assert {
        name for name in report.unmatched if not name.startswith("model.pixel_level_module.encoder.swin")
    } == {
        "criterion.empty_weight",
        "panoptic_head.extra.weight",
    }
    state = expected.state_dict()
    for name, x in model.state_dict().items():
        assert torch.equal(x, state[name]), name


def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return print, ("called",)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": {"x": np.zeros(3), "y": Hostile()}}))
    with pytest.raises(UserError, match="holds more than arrays"):
        load_weights(create_model("minvis-tiny"), path)


def test_a_dvis_plus_file_brings_its_tracker_too(hugging_face, tmp_path):
    _, file = hugging_face("resnet")
    tracker = dvis_tracker(DIM, 256, layers=2)
    tensors = {**as_detectron2(load_file(file)), **tracker, "refiner.decoder_norm.bias": torch.zeros(DIM)}
    torch.save({"model": tensors, "iteration": 40000}, tmp_path / "dvis.pth")
    model = our_model("resnet", "dvis-plus-tiny", tracker_layers=2)
    report = load_weights(model, tmp_path / "dvis.pth")
    assert not report.missing
    assert set(report.unmatched) == {"criterion.empty_weight", "refiner.decoder_norm.bias"}
    state = model.state_dict()
    for ours, theirs in {
        "tracker.reference_head.2.weight": "tracker.ref_proj.layers.1.weight",
        "tracker.kernel_head.4.bias": "tracker.mask_embed.layers.2.bias",
        "tracker.class_head.weight": "tracker.class_embed.weight",
        "tracker.mask_projection.weight": "tracker.mask_feature_proj.weight",
        "tracker.norm.weight": "tracker.decoder_norm.weight",
        "tracker.layers.1.cross_norm.weight": "tracker.transformer_cross_attention_layers.1.norm.weight",
        "tracker.layers.0.feed_forward.2.bias": "tracker.transformer_ffn_layers.0.linear2.bias",
    }.items():
        assert torch.equal(state[ours], tracker[theirs]), ours
    rows = tracker["tracker.transformer_cross_attention_layers.0.multihead_attn.in_proj_weight"].chunk(3)
    for part, row in zip(("query", "key", "value"), rows):
        assert torch.equal(state[f"tracker.layers.0.cross_attention.{part}.weight"], row)
