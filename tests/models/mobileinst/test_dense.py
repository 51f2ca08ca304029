"""Dense kernels: entries, and that a kernel says "here"."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model

NAME = "mobileinst-yolox-nano"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model(NAME, num_classes=3).eval()


@pytest.mark.parametrize("stride", [4, 8])
def test_entries_have_the_shapes_that_they_say(stride):
    model = create_model(NAME, num_classes=3, mask_stride=stride).eval()
    size = (64, 96)
    entries = model.streaming(size, max_instances=4).entries
    tensors = {"frame": torch.rand(1, 3, *size) * 255, "kernels": torch.rand(1, 4, 37)}
    with torch.no_grad():
        for entry in entries.values():
            outputs = getattr(model, entry.method)(*(tensors[name] for name in entry.inputs))
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            assert {n: tuple(t.shape) for n, t in zip(entry.outputs, outputs)} == entry.outputs
            tensors = {**dict(zip(entry.outputs, outputs)), **tensors}


def test_masks_of_coarser_features_are_enlarged_to_those_of_a_quarter():
    model = create_model(NAME, num_classes=3, mask_stride=8).eval()
    features = torch.zeros(1, 37, 8, 12)
    features[0, 0, :, 6:] = 1
    kernels = torch.zeros(1, 1, 37)
    kernels[0, 0, 0] = 4
    masks = model.segment(kernels, features)
    assert masks.shape == (1, 1, 16, 24)
    assert torch.equal(masks[0, 0, 7, 10:14], torch.tensor([0.0, 1.0, 3.0, 4.0]))  # bilinear


def test_a_stride_that_no_level_has_is_refused():
    with pytest.raises(ValueError, match="mask_stride 2 is neither 4 nor 8"):
        create_model(NAME, mask_stride=2)


def test_sides_are_multiples_of_32(model):
    with pytest.raises(ValueError, match="multiple of 32"):
        model.streaming((64, 100))


def test_a_kernel_of_nothing_learned_is_its_box_s_ellipse():
    """k·F = 0, log s = 0, b = 0: logit 1 − ((x − cx)/(w/2))² − ((y − cy)/(h/2))²."""
    model = create_model(NAME, num_classes=3).eval()
    for cells in model.cell_heads:
        torch.nn.init.zeros_(cells.kernel.weight)
        torch.nn.init.zeros_(cells.kernel.bias)
    height, width = 64, 96
    with torch.no_grad():
        mask_features, boxes, *located = model.encode(torch.rand(2, 3, height, width) * 255)
        masks = model.segment(model.decode(boxes, *located)[0], mask_features)
    x = (torch.arange(width // 4) + 0.5) / (width // 4)
    y = (torch.arange(height // 4) + 0.5) / (height // 4)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) / 2
    half = torch.maximum(half, torch.tensor([2 / width, 2 / height]))
    columns = ((x - centre[..., :1]) / half[..., :1]).square()
    rows = ((y - centre[..., 1:]) / half[..., 1:]).square()
    ellipses = 1 - rows[..., None] - columns[..., None, :]
    assert torch.allclose(masks, ellipses, rtol=1e-3, atol=1e-2)


def test_what_is_exported_reads_what_is_trained(model):
    frames = torch.rand(2, 3, 64, 96) * 255
    with torch.no_grad():
        trained = model.read(model.head(model.backbone(frames)[1:]))
        _, boxes, objectness, *maps = model.encode(frames)
        kernels, scores, embeddings = model.decode(boxes, objectness, *maps)
    assert torch.equal(boxes, trained.boxes)
    assert (scores <= objectness).all()
    for streamed, read in zip(
        (kernels, scores, embeddings), (trained.kernels, trained.scores, trained.embeddings)
    ):
        assert torch.allclose(streamed, read, rtol=1e-5, atol=1e-5)


def test_boxes_are_fractions_that_do_not_depend_on_the_input_s_size(model):
    with torch.no_grad():
        boxes = model.encode(torch.full((1, 3, 64, 64), 100.0))[1]
    centre = (boxes[0, :64, :2] + boxes[0, :64, 2:]) / 2
    assert ((centre > -0.5) & (centre < 1.5)).all()  # stride 8 has the first 64 cells of 64×64


def test_unknown_parts_are_listed():
    with pytest.raises(ValueError, match="instance_decoder 'global' is not known; known are dense"):
        create_model(NAME, instance_decoder="global")
