"""SeqFormer and TAFormer: entries, clips in a batch, and what passes from frame to frame."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.seqformer.clip_transformer import refine
from mobilevis.models.seqformer.seqformer import SeqFormer

SIZE = (64, 64)
NAMES = ("seqformer-tiny", "taformer-tiny")


def tiny(name: str = "taformer-tiny", **config: object) -> SeqFormer:
    torch.manual_seed(0)
    model = create_model(name, num_classes=3, num_queries=5, clip_length=3, **config)
    assert isinstance(model, SeqFormer)
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [1, 3])
def test_entries_run_at_the_shapes_that_they_declare(name: str, length: int) -> None:
    model = tiny(name)
    with torch.no_grad():
        for entry in model.streaming(SIZE, max_instances=2, clip_length=length).entries.values():
            out = getattr(model, entry.method)(*(torch.rand(shape) for shape in entry.inputs.values()))
            outputs = out if isinstance(out, tuple) else (out,)
            assert [tuple(x.shape) for x in outputs] == list(entry.outputs.values())
            assert all(x.isfinite().all() for x in outputs)


@pytest.mark.parametrize("name", NAMES)
def test_clips_of_a_batch_do_not_mix(name: str) -> None:
    model = tiny(name)
    first, second = torch.rand(2, 3, 3, *SIZE) * 255
    together = torch.stack([first, second], dim=1).flatten(0, 1)  # frame-major
    with torch.no_grad():
        alone, both = model(first), model(together, length=3)
    for mine, joint in zip(alone.layers, both.layers):
        torch.testing.assert_close(mine.class_logits[0], joint.class_logits[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(mine.boxes, joint.boxes[0::2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_entries_compute_what_training_sees(name: str) -> None:
    model = tiny(name)
    frames = torch.rand(3, 3, *SIZE) * 255
    with torch.no_grad():
        kernels, scores, points, features = model.decode(*model.encode(frames))
        trained = model(frames)
    torch.testing.assert_close(kernels, trained.layers[-1].kernels)
    torch.testing.assert_close(scores, trained.layers[-1].class_logits.sigmoid())
    torch.testing.assert_close(points, trained.layers[-2].boxes[..., :2])
    torch.testing.assert_close(features, trained.mask_features)


def features_with_another_frame(model: SeqFormer) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask features of a clip, and of the same clip with another last frame."""
    frames = torch.rand(4, 3, *SIZE) * 255
    other = frames.clone()
    other[-1] = torch.rand(3, *SIZE) * 255
    with torch.no_grad():
        return model(frames).mask_features, model(other).mask_features


def test_seqformers_encoder_sees_each_frame_alone() -> None:
    before, after = features_with_another_frame(tiny("seqformer-tiny"))
    torch.testing.assert_close(before[:3], after[:3])


def test_taformers_encoder_sees_the_frames_around() -> None:
    before, after = features_with_another_frame(tiny("taformer-tiny", encoder_layers=1, window=1))
    differences = (before - after).abs().amax((1, 2, 3))
    assert differences[:2].max() < 1e-5 < 1e-3 < differences[2]


def test_the_additions_are_switched_one_by_one() -> None:
    def size(**config: bool) -> int:
        return sum(p.numel() for p in tiny("seqformer-tiny", **config).parameters())

    assert size() < size(temporal_self_attention=True) < size(joint_attention=True)
    assert size(temporal_positions=True) == size()
    everything = size(joint_attention=True, temporal_self_attention=True, temporal_positions=True)
    assert everything == sum(p.numel() for p in tiny("taformer-tiny").parameters())


def test_a_model_is_built_again_from_its_configuration() -> None:
    model = tiny("taformer-tiny", window=1)
    again = create_model("taformer-tiny", **asdict(model.config))
    assert again.config == model.config


def test_boxes_move_in_logits() -> None:
    box = torch.tensor([[0.5, 0.25, 0.1, 0.2]])
    torch.testing.assert_close(refine(box, torch.zeros(1, 4)), box)
    torch.testing.assert_close(refine(box[:, :2], torch.zeros(1, 4)), torch.tensor([[0.5, 0.25, 0.5, 0.5]]))
    assert bool((refine(box, torch.ones(1, 4)) > box).all())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fusion": "max"}, "known are dynamic, sum, concatenation"),
        ({"dim": 48}, "multiple of 32"),
        ({"clip_length": 0}, "clip_length 0 is not a positive integer"),
        ({"dropout": 1.0}, "dropout"),
        ({"keyframe_interval": 3}, "no configuration keyframe_interval; known are backbone"),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_model("taformer-tiny", **config)


def test_wrong_export_options_are_refused() -> None:
    model = tiny()
    with pytest.raises(ValueError, match="max_instances 6 is not in 1…5"):
        model.streaming(SIZE, max_instances=6)
    with pytest.raises(ValueError, match="clip_length 0"):
        model.streaming(SIZE, max_instances=2, clip_length=0)
    with pytest.raises(ValueError, match="no multiple of 64"):
        model.streaming((64, 100))
