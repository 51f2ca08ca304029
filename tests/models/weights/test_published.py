"""SeqFormer's published names and shapes, and files that claim to have them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mobilevis.models import create_model
from mobilevis.models.seqformer.conditional_masks import UNIT
from mobilevis.models.weights.checkpoint import load_weights
from mobilevis.models.weights.seqformer_names import in_units
from mobilevis.runtime.errors import UserError
from tests.models.weights.published_files import CLASSES, seqformer

SIZES = {"num_queries": 6, "hidden": 32, "encoder_layers": 1, "decoder_layers": 2}
DIM, HEADS = 64, 4


def our_model(name: str = "seqformer-tiny", classes: int = CLASSES, **options: object) -> nn.Module:
    return create_model(name, num_classes=classes, dim=DIM, heads=HEADS, **{**SIZES, **options}).eval()


def official() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return seqformer(DIM, HEADS, 32, queries=6, encoder_layers=1, decoder_layers=2)


def save(tensors: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"model": tensors, "epoch": 11}, folder / "seqformer.pth")
    return folder / "seqformer.pth"


def test_a_seqformers_file_fills_every_tensor(tmp_path: Path) -> None:
    tensors, model = official(), our_model()
    report = load_weights(model, save({**tensors, "optimizer.step": torch.zeros(1)}, tmp_path))
    assert {name.rsplit(".", 1)[1] for name in report.missing} == {"num_batches_tracked"}
    unread = ("optimizer.", "detr.transformer.decoder.bbox_embed.", "output_proj_box")
    assert all(any(part in name for part in unread) for name in report.unmatched)
    state = model.state_dict()
    for ours, theirs in {
        "backbone.network.encoder.stages.1.layers.0.shortcut.convolution.weight": (
            "detr.backbone.0.body.layer2.0.downsample.0.weight"
        ),
        "projections.3.0.weight": "detr.input_proj.3.0.weight",
        "encoder.layers.0.attention_residual.norm.bias": "detr.transformer.encoder.layers.0.norm1.bias",
        "decoder.reference.weight": "detr.transformer.reference_points.weight",
        "decoder.layers.1.box_out.bias": (
            "detr.transformer.decoder.layers.1.cross_attn.output_proj_box.bias"
        ),
        "decoder.layers.1.box_residual.norm.weight": "detr.transformer.decoder.layers.1.norm3_box.weight",
        "decoder.layers.0.cross_residual.norm.weight": "detr.transformer.decoder.layers.0.norm1.weight",
        "decoder.layers.0.self_residual.norm.weight": "detr.transformer.decoder.layers.0.norm2.weight",
        "decoder.layers.0.frame_weight.weight": (
            "detr.transformer.decoder.layers.0.time_attention_weights.weight"
        ),
        "decoder.box_heads.1.0.2.weight": "detr.bbox_embed.1.layers.1.weight",
        "decoder.box_heads.1.2.bias": "detr.bbox_embed.1.layers.2.bias",
        "class_heads.1.weight": "detr.class_embed.1.weight",
        "controllers.1.2.weight": "controller.layers.1.weight",
        "mask_branch.fuse.2.weight": "mask_head.dcn.weight",
        "mask_branch.out.bias": "mask_head.lay2.bias",
    }.items():
        assert torch.equal(state[ours], tensors[theirs]), ours
    positions, queries = tensors["detr.query_embed.weight"].split(DIM, dim=1)
    assert torch.equal(state["decoder.positions"][0], positions)
    assert torch.equal(state["decoder.queries"][0], queries)
    rows = tensors["detr.transformer.decoder.layers.0.self_attn_box.in_proj_weight"].chunk(3)
    parts = ("query", "key", "value")
    found = [state[f"decoder.layers.0.box_attention.{part}.weight"] for part in parts]
    assert all(torch.equal(mine, row) for mine, row in zip(found, rows))


def test_a_controllers_kernels_are_for_offsets_in_our_unit() -> None:
    """The first of an instance's layers gives the same of pixels as ours of units."""
    torch.manual_seed(0)
    kernel, features, offset = torch.randn(169), torch.randn(8), torch.randn(2) * 100
    theirs = kernel[:80].view(8, 10) @ torch.cat([offset, features])
    ours = in_units(kernel)[:80].view(8, 10) @ torch.cat([offset / UNIT, features])
    torch.testing.assert_close(ours, theirs)
    assert torch.equal(in_units(kernel)[80:], kernel[80:])


def test_taformers_additions_are_named_or_refused(tmp_path: Path) -> None:
    file = save(official(), tmp_path)
    with pytest.raises(UserError, match=r"a SeqFormer, which lacks encoder\.layers\.0\.attention\.spatial"):
        load_weights(our_model("taformer-tiny"), file)


def test_a_file_for_other_classes_leaves_the_class_heads(tmp_path: Path) -> None:
    model = our_model(classes=7)
    report = load_weights(model, save(official(), tmp_path))
    assert {name.split(".")[0] for name in report.other_classes} == {"class_heads"}


@pytest.mark.parametrize(
    ("name", "tensor", "what"),
    [
        ("detr.query_embed.weight", torch.zeros(()), r"decoder\.queries is \(\) there"),
        ("detr.query_embed.weight", torch.zeros(6, 9), r"decoder\.queries is \(6, 5\) there"),
        ("controller.layers.2.weight", torch.zeros(4, DIM), r"controllers\.0\.4\.weight is \(4, 64\)"),
        (
            "detr.transformer.decoder.layers.0.self_attn.in_proj_bias",
            torch.zeros(10),
            r"query\.bias is \(10,\) there",
        ),
        ("detr.class_embed.0.bias", torch.zeros(()), r"class_heads\.0\.bias is \(\) there"),
        ("controller.layers.2.bias", torch.full((169,), torch.nan), "holds NaN or infinity"),
        ("controller.layers.2.bias", torch.zeros(169).to_sparse(), r"layers\.2\.bias is no plain tensor"),
        (
            "elsewhere.running_var",
            torch.zeros(1).expand(1 << 40),
            r"elsewhere\.running_var is no plain tensor",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_and_nothing_changes(
    tmp_path: Path, name: str, tensor: Tensor, what: str
) -> None:
    model = our_model()
    before = {key: x.clone() for key, x in model.state_dict().items()}
    with pytest.raises(UserError, match=what) as caught:
        load_weights(model, save({**official(), name: tensor}, tmp_path))
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[key], x) for key, x in model.state_dict().items())


def test_a_tensor_that_lacks_is_named(tmp_path: Path) -> None:
    tensors = official()
    del tensors["mask_head.dcn.bias"]
    with pytest.raises(UserError, match=r"lacks mask_branch\.fuse\.2\.bias .*model\.fresh"):
        load_weights(our_model(), save(tensors, tmp_path))


def test_a_model_that_is_no_seqformer_is_told_what_takes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"MinVIS is not built on .*give it to a SeqFormer or TAFormer"):
        load_weights(create_model("minvis-tiny"), save(official(), tmp_path))
