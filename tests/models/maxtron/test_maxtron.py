"""MaXTron: clips in, tubes out; what meets within a clip, and what meets across clips."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.maxtron.kmax import KMaxLayer, Predictor, assign, clip_cells
from mobilevis.models.maxtron.pixel_decoder import AxialAttention

SIZE = (64, 96)
NAMES = ("maxtron-vis-tiny", "maxtron-vps-tiny")


def make(name, **options):
    torch.manual_seed(0)
    return create_model(name, num_classes=3, **options).eval()


def clip(model):
    return 255 * torch.rand(model.clip_length, 3, *SIZE)


def interleave(*clips):
    """Frame-major: the first frames of all clips, then their second ones."""
    return torch.stack(clips, dim=1).flatten(0, 1)


@pytest.mark.parametrize("name", NAMES)
def test_entries_run_at_the_shapes_that_they_declare(name):
    model = make(name)
    with torch.no_grad():
        for entry in model.streaming(SIZE, video_clips=3).entries.values():
            out = getattr(model, entry.method)(*(torch.rand(shape) for shape in entry.inputs.values()))
            outputs = out if isinstance(out, tuple) else (out,)
            assert [tuple(x.shape) for x in outputs] == list(entry.outputs.values())
            assert all(x.isfinite().all() for x in outputs)


@pytest.mark.parametrize("name", NAMES)
def test_the_entries_compute_what_the_model_does(name):
    model = make(name)
    frames = clip(model)
    with torch.no_grad():
        expected = model(frames)[-1]
        features = zip(*(model.encode(frame[None]) for frame in frames))
        mask_features, _, kernels, scores = model.decode(*(torch.cat(level) for level in features))
        masks = torch.stack([model.segment(kernels, x[None]) for x in mask_features], dim=2)
    if name == "maxtron-vps-tiny":  # the shift of the mask norm is the same for all queries
        assert torch.allclose(masks.softmax(1), expected.mask_logits.softmax(1), atol=1e-5)
    else:
        assert torch.allclose(masks, expected.mask_logits, atol=1e-4)
    assert torch.allclose(scores, expected.class_logits.softmax(-1)[..., :-1], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_clips_of_a_batch_do_not_see_each_other(name):
    model = make(name)
    first, second = clip(model), clip(model)
    with torch.no_grad():
        together = model(interleave(first, second))
        alone = [model(first), model(second)]
    for layer, *parts in zip(together, *alone):
        for found, *expected in zip(layer, *parts):
            torch.testing.assert_close(found, torch.cat(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "without"), [(NAMES[0], {"axial_layers": 0}), (NAMES[1], {"stages": 0})])
def test_frames_meet_in_the_within_clip_module_alone(name, without):
    """Without it, a frame's features are its own; with it, they know the clip's other frames."""
    for options, meet in (({}, True), (without, False)):
        model = make(name, **options)
        if meet and name == NAMES[0]:  # γ starts so small that nothing would be seen
            torch.nn.init.ones_(model.pixel_decoder.inside.scales)
        frames = clip(model)
        other = torch.cat([frames[:1], clip(model)[1:]])
        with torch.no_grad():
            first, second = (model.clip_features(model.encode(x)).mask_features[0] for x in (frames, other))
        assert torch.allclose(first, second, atol=1e-5) != meet


@pytest.mark.parametrize("name", NAMES)
def test_a_clips_kernels_depend_on_the_videos_other_clips(name):
    model = make(name)
    queries = torch.randn(3, model.num_queries, model.config.dim)
    other = torch.cat([queries[:1], torch.randn_like(queries[1:])])
    with torch.no_grad():
        assert not torch.allclose(model.cross_clip(queries)[0][0], model.cross_clip(other)[0][0], atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_configuration_builds_the_model_again(name):
    model = make(name)
    again = make(name, **{k: v for k, v in asdict(model.config).items() if k != "num_classes"})
    assert again.state_dict().keys() == model.state_dict().keys()


def test_refined_queries_are_read_by_the_heads_that_read_the_clips():
    """Mask2Former's own norm and heads: clips with the same queries say together what each of them says."""
    model = make(NAMES[0])
    queries = torch.randn(1, model.num_queries, model.config.dim)
    with torch.no_grad():
        alone, together = model.read(queries), model.read_refined(queries.repeat(3, 1, 1))
    torch.testing.assert_close(together[0], alone[0])
    torch.testing.assert_close(together[1], alone[1].repeat(3, 1, 1))


def test_heads_of_their_own_take_queries_behind_the_norm():
    model = make(NAMES[0], shared_heads=False)
    with torch.no_grad():
        _, queries, kernels, _ = model.decode(*model.encode(clip(model)))
        torch.testing.assert_close(kernels, model.decoder.kernel_head(queries))
        own = model.read_refined(queries)[1]
    assert not torch.allclose(own, kernels)


# The rows of Tables 5 and 6 as configurations, docs/models/maxtron.md; the counts of what they build.
ABLATIONS = {
    "Table 5: no module": {"stages": 0},
    "Table 5: 1, full 1, 2": {"stages": 2, "axial_layers": 1, "trajectory": "full"},
    "Table 5: 1, axial 1, 2": {"stages": 2, "axial_layers": 1},
    "Table 5: 1, axial 2, 3": {"stages": 3, "axial_layers": 2},
    "Table 5: 1, axial 3, 2": {"stages": 2, "axial_layers": 3},
    "Table 5: 2, axial 4, 1": {"stages": 1, "deformable_layers": 2, "axial_layers": 4},
    "Table 6a: self-attention": {"cross_attention": "self"},
    "Table 6a: no ASPP": {"aspp_rates": ()},
    "Table 6b": {"aspp_rates": (1, 3, 5)},
    "Table 6c": {"cross_layers": 4},
}


@pytest.mark.parametrize("options", ABLATIONS.values(), ids=ABLATIONS.keys())
def test_a_row_of_the_papers_ablations_is_a_configuration(options):
    model = make(NAMES[1], **options)
    with torch.no_grad():
        outputs = model.decode(*model.encode(clip(model)))
        kernels, _ = model.cross_clip(outputs[1].repeat(3, 1, 1))
    assert all(x.isfinite().all() for x in (*outputs, kernels))
    if model.within_clip is not None:
        stages = model.within_clip.encoder.between.stages
        built = len(model.within_clip.encoder.layers), [len(stage) for stage in stages]
        blocks, layers = model.config.stages, model.config.axial_layers
        assert built == (blocks * model.config.deformable_layers, blocks * [layers])
    assert len(model.cross_clip_module.layers) == model.config.cross_layers


def test_nine_queries_of_ten_are_no_object_when_training_starts():
    logits = Predictor(8, 8, 4, num_classes=3).class_head.bias
    torch.testing.assert_close(logits.softmax(0)[-1], torch.tensor(0.9))


def test_every_cell_belongs_to_its_most_similar_query():
    logits = torch.tensor([[[3.0, 0.0, 1.0], [1.0, 2.0, 0.5]]])
    assert assign(logits).tolist() == [[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]]


def test_a_cluster_centre_moves_by_the_sum_of_its_cells():
    torch.manual_seed(0)
    layer = KMaxLayer(8, 8, 2, 16, Predictor(8, 8, 4, 3)).eval()
    torch.nn.init.ones_(layer.centre_out.norm.weight)
    queries, level = torch.randn(1, 8, 3, 1), torch.randn(2, 8, 2, 2)
    with torch.no_grad():
        pixels = layer.pixel_input(torch.nn.functional.gelu(level))
        values = clip_cells(layer.pixel_value(pixels), 1)
        owner = layer(queries, level)[2].argmax(1)[0]
        update = torch.stack([values[0, :, owner == n].sum(1) for n in range(3)], dim=1)[None, ..., None]
        moved = queries + layer.centre_out(layer.centre_norm(update))
        # The other branches start at 0: what is left is the k-means step between two GELUs.
        expected = torch.nn.functional.gelu(torch.nn.functional.gelu(moved))
        assert torch.allclose(layer(queries, level)[0], expected, atol=1e-5)


def test_axial_attention_is_attention_along_columns_then_rows():
    torch.manual_seed(0)
    attention = AxialAttention(8, 8, 2).eval()
    x = torch.randn(1, 8, 3, 4)
    with torch.no_grad():
        qkv = attention.project[0](x + 0)
        out = attention._attend(qkv, axis=2)
        q, k, v = qkv[0, :8].view(2, 4, 3, 4), qkv[0, 8:16].view(2, 4, 3, 4), qkv[0, 16:].view(2, 8, 3, 4)
        weights = (torch.einsum("hdyx,hdzx->hyzx", q, k) * 0.5).softmax(2)
        assert torch.allclose(out[0].view(2, 8, 3, 4), torch.einsum("hyzx,hdzx->hdyx", weights, v), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        (NAMES[0], {"dim": 50}, "dim 50"),
        (NAMES[0], {"clip_length": 0}, "clip_length"),
        (NAMES[0], {"axial_layers": -1}, "axial_layers"),
        (NAMES[0], {"axial_place": "before"}, "axial_place 'before' is not known; known are inside, after"),
        (NAMES[0], {"trajectory": "line"}, "trajectory 'line'"),
        (NAMES[1], {"cross_attention": "none"}, "cross_attention 'none'"),
        (NAMES[1], {"aspp_rates": (1, 0)}, "aspp_rates 0"),
        (NAMES[1], {"deformable_layers": 0}, "deformable_layers 0"),
        (NAMES[1], {"stages": -1}, "stages"),
        (NAMES[1], {"pixel_blocks": (1, 1)}, "pixel_blocks"),
        (NAMES[1], {"stuff_classes": (3,)}, "stuff_classes"),
        (NAMES[1], {"backbone": "vit"}, "backbone 'vit' is not known; known are resnet50"),
    ],
)
def test_a_configuration_that_fits_nothing_is_refused(name, options, text):
    with pytest.raises(ValueError, match=text):
        make(name, **options)


def test_a_panoptic_model_shares_pixels_out_among_all_queries():
    model = make(NAMES[1])
    assert model.streaming(SIZE).driver_options["max_instances"] == model.num_queries
    with pytest.raises(ValueError, match="shares pixels"):
        model.streaming(SIZE, max_instances=3)
    with pytest.raises(ValueError, match="video_clips"):
        model.streaming(SIZE, video_clips=0)
