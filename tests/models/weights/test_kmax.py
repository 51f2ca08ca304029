"""kMaX-DeepLab's files in MaXTron-VPS: the equations of its decoder, and what must be named as fresh."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mobilevis.models import create_model
from mobilevis.models.maxtron.maxtron_vps import MaXTronVps
from mobilevis.models.weights.checkpoint import load_weights
from mobilevis.models.weights.matching import is_in
from mobilevis.runtime.errors import UserError
from tests.models.weights.kmax_files import Reference, decoder, pixel_decoder

CLASSES, QUERIES, DIM = 5, 6, 64
FILTERS = (32, 16, 16, 16)
FRESH = ("backbone", "within_clip", "cross_clip_module", "cross_clip_heads", "mix.0")


def our_model() -> MaXTronVps:
    model = create_model(
        "maxtron-vps-tiny", num_classes=CLASSES, num_queries=QUERIES, heads=8, pixel_filters=FILTERS
    )
    assert isinstance(model, MaXTronVps)
    return model.eval()


def official() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        **pixel_decoder((128, 64, 32, 16), FILTERS),
        **decoder(tuple(4 * width for width in FILTERS), DIM, 32, 128, QUERIES, CLASSES),
    }


def save(tensors: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"model": tensors}, folder / "kmax.pth")
    return folder / "kmax.pth"


def test_the_decoders_layers_and_its_predictor_say_what_kmax_says(tmp_path: Path) -> None:
    tensors, model = official(), our_model()
    load_weights(model, save(tensors, tmp_path), fresh=FRESH)
    reference, layers = Reference(tensors), model.decoder.layers
    with torch.no_grad():
        queries = expected = tensors["sem_seg_head.predictor._cluster_centers.weight"][None]
        for n, width in enumerate(FILTERS[:-1]):
            pixels = torch.randn(1, 4 * width, 4, 6)
            queries, classes, masks, _ = layers[n](queries.view(1, DIM, QUERIES, 1), pixels)
            expected, *logits = reference.run_layer(n, pixels, expected)
            for mine, other in zip((queries.squeeze(3), classes, masks), (expected, *logits)):
                torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)
        final = torch.randn(1, 4 * FILTERS[-1], 4, 6)
        head = "sem_seg_head.predictor."
        embedded = [
            reference.conv(f"{head}_{part}_embedding_projection", expected, True)
            for part in ("mask", "class")
        ]
        _, masks = reference.predict(f"{head}_predcitor.", final, embedded[0])
        classes, _ = reference.predict(f"{head}_predcitor.", final, embedded[1])
        class_logits, kernels = model._read(queries.squeeze(3).transpose(1, 2))
        cells = model.decoder.predictor.normal_pixels(final).flatten(2)
        torch.testing.assert_close(class_logits, classes, rtol=1e-4, atol=1e-4)
        mask_logits = model.decoder.predictor.mask_logits(kernels, cells)
        torch.testing.assert_close(mask_logits, masks, rtol=1e-4, atol=1e-4)


def test_all_of_the_file_has_a_place_but_axial_attention(tmp_path: Path) -> None:
    tensors, model = official(), our_model()
    axial = "sem_seg_head.pixel_decoder._stages.0._blocks.0._attention._height_axis.qkv_transform.conv.weight"
    report = load_weights(model, save({**tensors, axial: torch.zeros(1)}, tmp_path), fresh=FRESH)
    assert report.unmatched == (axial,)
    assert all(is_in(name, FRESH) for name in report.missing)
    state = model.state_dict()
    for ours, theirs in {
        "pixel_decoder.norms.1.weight": "_in_norms.1.weight",
        "pixel_decoder.lower.0.conv.weight": "_resized_fuses.0._conv_bn_low.conv.weight",
        "pixel_decoder.laterals.2.norm.bias": "_resized_fuses.2._conv_bn_high.norm.bias",
        "pixel_decoder.stages.2.0.mix.conv.weight": "_stages.2._blocks.0._conv2_bn_act.conv.weight",
        "pixel_decoder.stages.1.0.expand.norm.weight": "_stages.1._blocks.0._conv3_bn.norm.weight",
    }.items():
        assert torch.equal(state[ours], tensors[f"sem_seg_head.pixel_decoder.{theirs}"]), ours


def test_axial_attention_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a kMaX-DeepLab, which lacks pixel_decoder\.stages\.0\.0\.mix\.0\."):
        load_weights(our_model(), save(official(), tmp_path), fresh=FRESH[:-1])


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("_predcitor._transformer_class_head.conv.bias", torch.zeros(())),
        ("_kmax_transformer_layers.0._query_qkv_conv_bn.norm.weight", torch.zeros(7)),
        ("_predcitor._pixel_space_head_last_convbn.norm.running_mean", torch.zeros(2, 2)),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_and_nothing_changes(
    tmp_path: Path, name: str, tensor: Tensor
) -> None:
    model = our_model()
    before = {key: x.clone() for key, x in model.state_dict().items()}
    file = save({**official(), f"sem_seg_head.predictor.{name}": tensor}, tmp_path)
    with pytest.raises(UserError, match=r"there, .* in the model"):
        load_weights(model, file, fresh=FRESH)
    assert all(torch.equal(before[key], x) for key, x in model.state_dict().items())
