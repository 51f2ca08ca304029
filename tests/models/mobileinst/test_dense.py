"""Dense kernels: entries, and that a kernel says "here"."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch

from mobilevis.export.describe import describe as export_describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.export.trace import fold
from mobilevis.models import create_model
from mobilevis.models.mobileinst.dense import STEMS, TOWERS
from mobilevis.runtime.patches import CellDescriber, CellScorer

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
    with torch.no_grad():
        for entry in entries.values():
            inputs = [torch.rand(shape) for shape in entry.inputs.values()]
            outputs = getattr(model, entry.method)(*entry.arguments, *inputs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            assert {n: tuple(t.shape) for n, t in zip(entry.outputs, outputs)} == entry.outputs


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
    frames = torch.rand(2, 3, height, width) * 255
    with torch.no_grad():
        features = model.named_features(frames)
        cells, boxes = torch.arange(126), features["boxes"]
        kernels = torch.stack([describe(model, features, frame, cells)[0] for frame in range(2)])
        masks = model.segment(kernels, features["mask_features"])
    x = (torch.arange(width // 4) + 0.5) / (width // 4)
    y = (torch.arange(height // 4) + 0.5) / (height // 4)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) / 2
    half = torch.maximum(half, torch.tensor([2 / width, 2 / height]))
    columns = ((x - centre[..., :1]) / half[..., :1]).square()
    rows = ((y - centre[..., 1:]) / half[..., 1:]).square()
    ellipses = 1 - rows[..., None] - columns[..., None, :]
    assert torch.allclose(masks, ellipses, rtol=1e-3, atol=1e-2)


def level_maps(model, features):
    """Stem, class tower and box tower of each level, (B, 64, h, w)."""
    stems, towers = ([features[name].movedim(3, 1) for name in names] for names in (STEMS, TOWERS))
    return [
        (stem, head.class_tower(stem), tower) for head, stem, tower in zip(model.head.levels(), stems, towers)
    ]


def describe(model, features, frame, cells):
    """Kernels and embeddings of a frame's cells."""
    maps = level_maps(model, features)
    return model.describe_cells(maps, features["boxes"], torch.full_like(cells, frame), cells)


@pytest.mark.parametrize("is_folded", [False, True])
def test_what_is_exported_says_of_every_cell_what_is_trained(model, is_folded):
    """Levels of 8×12, 4×6 and 2×3 cells: most are near a border."""
    exported = copy.deepcopy(model)
    if is_folded:
        fold(exported)
    streaming, metadata = export_describe(exported, (64, 96))
    artefact = EagerArtefact(exported, streaming, metadata)
    frame, cells = torch.rand(1, 3, 64, 96) * 255, np.random.default_rng(0).permutation(126)
    features = artefact.run("encode", {"frame": frame.numpy()})
    scores = CellScorer(artefact).run(features, cells, features["objectness"][0, cells])["scores"]
    described = CellDescriber(artefact).run(features, cells, features["boxes"][0, cells])
    with torch.no_grad():
        trained = model.read(model.head(model.backbone(frame)[1:]))
        wanted = describe(model, model.named_features(frame), 0, torch.from_numpy(cells))
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)
    close(torch.from_numpy(features["boxes"]), trained.boxes)
    close(torch.from_numpy(scores), trained.scores[0, cells])
    assert (scores <= features["objectness"][0, cells]).all()
    for name, expected in zip(("kernels", "embeddings"), wanted):
        close(torch.from_numpy(described[name]), expected)


def test_a_cell_is_described_as_the_layers_would_if_they_saw_its_whole_level(model):
    """Corners, edges and middles of every level, of 8×12, 4×6 and 2×3 cells."""
    cells = torch.tensor([0, 11, 84, 95, 40, 96, 101, 114, 119, 108, 120, 122, 123, 125])
    levels = [0] * 5 + [1] * 5 + [2] * 4
    starts, widths = (0, 96, 120), (12, 6, 3)
    with torch.no_grad():
        features = model.named_features(torch.rand(1, 3, 64, 96) * 255)
        kernels, embeddings = describe(model, features, 0, cells)
        maps = level_maps(model, features)
        for cell, level, kernel, embedding in zip(cells.tolist(), levels, kernels, embeddings):
            reader, where = model.cell_heads[level], divmod(cell - starts[level], widths[level])
            depthwise, pointwise = reader.tower
            read = torch.nn.functional.silu(sum(conv(x) for conv, x in zip(reader.joined, maps[level])))
            read = torch.nn.functional.conv2d(
                read, depthwise.conv.weight, depthwise.conv.bias, padding=1, groups=len(depthwise.conv.weight)
            )
            read = pointwise(torch.nn.functional.silu(read))[0, :, where[0], where[1]]
            learned = reader.kernel.weight[:, :, 0, 0] @ read + reader.kernel.bias
            box = features["boxes"][0, cell]
            centre, half = (box[:2] + box[2:]) / 2 - 0.5, (box[2:] - box[:2]) / 2
            half = torch.maximum(half, torch.tensor([2 / 96, 2 / 64]))
            known = reader.embedding.weight[:, :, 0, 0] @ read + reader.embedding.bias
            torch.testing.assert_close(kernel[:-5], learned[:-2], rtol=1e-4, atol=1e-5)
            expected = known + model.place_embedding(torch.cat([centre, half]))
            torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-5)


def test_no_cells_are_described_by_nothing(model):
    with torch.no_grad():
        features = model.named_features(torch.rand(1, 3, 64, 96) * 255)
        kernels, embeddings = describe(model, features, 0, torch.zeros(0, dtype=torch.int64))
    assert (kernels.shape, embeddings.shape) == ((0, 37), (0, 32))


def test_the_best_kernels_are_those_of_the_best_cells_of_each_frame(model):
    with torch.no_grad():
        frames = torch.rand(2, 3, 64, 96) * 255
        features = model.named_features(frames)
        kernels, sure = model.best_kernels(features, 3)
        best = model.read(model.head(model.backbone(frames)[1:])).scores.amax(2)
        for frame in range(2):
            scores, cells = best[frame].topk(3)
            torch.testing.assert_close(sure[frame], scores)
            torch.testing.assert_close(kernels[frame], describe(model, features, frame, cells)[0])


def test_boxes_are_fractions_that_do_not_depend_on_the_input_s_size(model):
    with torch.no_grad():
        boxes = model.encode(torch.full((1, 3, 64, 64), 100.0))[1]
    centre = (boxes[0, :64, :2] + boxes[0, :64, 2:]) / 2
    assert ((centre > -0.5) & (centre < 1.5)).all()  # stride 8 has the first 64 cells of 64×64


def test_unknown_parts_are_listed():
    with pytest.raises(ValueError, match="instance_decoder 'global' is not known; known are dense"):
        create_model(NAME, instance_decoder="global")
