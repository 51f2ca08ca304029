"""Official files, stood in for by random tensors under the official names and shapes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import ResNetForImageClassification, SwinForImageClassification

from mobilevis.models import create_model
from mobilevis.models.backbones import create_backbone
from mobilevis.models.weights.checkpoint import load_weights
from mobilevis.models.weights.official import load_pretrained_backbone
from mobilevis.models.weights.official_names import official_names
from mobilevis.runtime.errors import UserError
from tests.models.weights.official_files import (
    official_efficientnet_lite0,
    official_injections,
    official_seaformer_tiny,
    official_topformer_tiny,
    seaformer,
    topformer,
)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_a_segmentation_file_fills_every_tensor_of_topformer(tmp_path: Path) -> None:
    official = {**official_topformer_tiny(), **official_injections()}
    head = {"decode_head.conv_seg.weight": torch.zeros(150, 128, 1, 1)}
    content = {f"backbone.{name}": tensor for name, tensor in official.items()}
    torch.save({"meta": {"epoch": 3}, "state_dict": {**content, **head}}, tmp_path / "ade20k.pth")
    backbone = topformer()
    report = load_pretrained_backbone(backbone, tmp_path / "ade20k.pth")
    assert not report.missing
    assert report.unmatched == tuple(head)
    assert len(report.loaded) == len(official) == len(backbone.state_dict())
    state = backbone.state_dict()
    for ours, theirs in {
        "stem.conv.weight": "tpm.stem.0.c.weight",
        "rows.0.depthwise.norm.running_var": "tpm.layer1.conv.0.bn.running_var",
        "rows.0.project.conv.weight": "tpm.layer1.conv.2.c.weight",
        "rows.3.expand.conv.weight": "tpm.layer4.conv.0.c.weight",
        "rows.8.project.norm.bias": "tpm.layer9.conv.4.bn.bias",
        "blocks.0.attention.query.conv.weight": "trans.transformer_blocks.0.attn.to_q.c.weight",
        "blocks.1.attention.key.conv.weight": "trans.transformer_blocks.1.attn.to_k.c.weight",
        "blocks.3.attention.project.norm.weight": "trans.transformer_blocks.3.attn.proj.1.bn.weight",
        "blocks.2.mlp.depthwise.bias": "trans.transformer_blocks.2.mlp.dwconv.bias",
        "injections.0.gate.conv.weight": "SIM.1.global_act.conv.weight",
        "injections.1.feature.norm.weight": "SIM.2.global_embedding.bn.weight",
        "injections.2.local.conv.weight": "SIM.3.local_embedding.conv.weight",
    }.items():
        assert torch.equal(state[ours], official[theirs]), ours


def test_a_classification_file_leaves_the_injection_and_reports_it(tmp_path: Path) -> None:
    official = official_topformer_tiny()
    content = {f"module.{name}": tensor for name, tensor in official.items()}
    torch.save({**content, "module.head.bias": torch.zeros(1000)}, tmp_path / "imagenet.pth")
    backbone = topformer()
    before = state_of(backbone)
    report = load_pretrained_backbone(backbone, tmp_path / "imagenet.pth")
    assert report.unmatched == ("head.bias",)
    assert report.missing == tuple(name for name in before if name.startswith("injections."))
    assert all(torch.equal(before[name], backbone.state_dict()[name]) for name in report.missing)


def test_a_file_fills_every_tensor_of_seaformer(tmp_path: Path) -> None:
    official = official_seaformer_tiny()
    torch.save({**official, "linear.weight": torch.zeros(1000, 160)}, tmp_path / "SeaFormer_T.pth")
    backbone = seaformer()
    report = load_pretrained_backbone(backbone, tmp_path / "SeaFormer_T.pth")
    assert not report.missing
    assert report.unmatched == ("linear.weight",)
    assert len(report.loaded) == len(backbone.state_dict())
    state = backbone.state_dict()
    for ours, theirs in {
        "stem.norm.weight": "smb1.stem_block.0.bn.weight",
        "stages.0.0.depthwise.conv.weight": "smb1.layer1.conv.0.c.weight",
        "stages.4.0.project.conv.weight": "smb5.layer1.conv.4.c.weight",
        "transformers.3.0.mlp.depthwise.bias": "trans1.transformer_blocks.0.mlp.dwconv.bias",
    }.items():
        assert torch.equal(state[ours], official[theirs]), ours
    for ours, theirs in {
        "query.norm.bias": "to_q.bn.bias",
        "value.conv.weight": "to_v.c.weight",
        "project.conv.weight": "proj.1.c.weight",
        "detail_depthwise.conv.weight": "dwconv.c.weight",
        "detail_project.norm.bias": "pwconv.bn.bias",
        "rows.project.conv.weight": "proj_encode_row.1.c.weight",
        "columns.project.conv.weight": "proj_encode_column.1.c.weight",
        "rows.query_positions.embedding": "pos_emb_rowq.pos_embed",
        "rows.key_positions.embedding": "pos_emb_rowk.pos_embed",
        "columns.query_positions.embedding": "pos_emb_columnq.pos_embed",
        "columns.key_positions.embedding": "pos_emb_columnk.pos_embed",
    }.items():
        for transformer in (1, 2):
            attention = state[f"transformers.{2 + transformer}.1.attention.{ours}"]
            assert torch.equal(attention, official[f"trans{transformer}.transformer_blocks.1.attn.{theirs}"])


def test_a_file_of_timm_fills_every_tensor_of_efficientnet_lite(tmp_path: Path) -> None:
    official = official_efficientnet_lite0()
    head = {"conv_head.weight": torch.zeros(1280, 320, 1, 1), "classifier.bias": torch.zeros(1000)}
    save_file({**official, **head}, tmp_path / "model.safetensors")
    backbone = create_backbone("efficientnet-lite0", 128, 0.0)
    report = load_pretrained_backbone(backbone, tmp_path / "model.safetensors")
    assert not report.missing
    assert set(report.unmatched) == set(head)
    assert len(report.loaded) == len(official) == len(backbone.state_dict())
    state = backbone.state_dict()
    for ours, theirs in {
        "stem.norm.running_mean": "bn1.running_mean",
        "stages.0.0.depthwise.conv.weight": "blocks.0.0.conv_dw.weight",
        "stages.0.0.project.norm.bias": "blocks.0.0.bn2.bias",
        "stages.1.1.expand.norm.weight": "blocks.1.1.bn1.weight",
        "stages.4.0.depthwise.norm.running_var": "blocks.4.0.bn2.running_var",
        "stages.6.0.project.conv.weight": "blocks.6.0.conv_pwl.weight",
    }.items():
        assert torch.equal(state[ours], official[theirs]), ours


@pytest.mark.parametrize("name", ["topformer-base", "seaformer-large", "efficientnet-lite2"])
def test_every_tensor_of_the_larger_sizes_has_an_official_name(name: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name, 256, 0.0)
    names = official_names(backbone)
    assert names.keys() == backbone.state_dict().keys()
    assert len(set(names.values())) == len(names)


def test_the_averaged_weights_are_preferred_and_script_arguments_do_not_matter(tmp_path: Path) -> None:
    average, raw = official_seaformer_tiny(), official_seaformer_tiny()
    content = {"state_dict": raw, "state_dict_ema": average, "args": Namespace(lr=0.1), "epoch": 3}
    torch.save(content, tmp_path / "checkpoint.pth.tar")
    backbone = seaformer()
    load_pretrained_backbone(backbone, tmp_path / "checkpoint.pth.tar")
    assert torch.equal(backbone.state_dict()["stem.conv.weight"], average["smb1.stem_block.0.c.weight"])


def test_official_weights_may_come_as_safetensors_and_go_into_a_whole_model(tmp_path: Path) -> None:
    official = official_topformer_tiny()
    save_file(official, tmp_path / "imagenet.safetensors")
    model = create_model("mobileinst-topformer-tiny", num_queries=10, dim=32)
    load_weights(model, tmp_path / "imagenet.safetensors")
    assert torch.equal(model.state_dict()["backbone.stem.conv.weight"], official["tpm.stem.0.c.weight"])


def test_parts_that_start_afresh_take_nothing_from_an_official_file(tmp_path: Path) -> None:
    official = official_topformer_tiny()
    save_file(official, tmp_path / "imagenet.safetensors")
    model = create_model("mobileinst-topformer-tiny", num_queries=10, dim=32)
    before = model.state_dict()["backbone.stem.conv.weight"].clone()
    report = load_weights(model, tmp_path / "imagenet.safetensors", fresh=["backbone.stem"])
    assert torch.equal(model.state_dict()["backbone.stem.conv.weight"], before)
    assert "stem.conv.weight" in report.missing
    assert "rows.0.depthwise.conv.weight" in report.loaded


@pytest.mark.parametrize("name", ["minvis-tiny", "efficientvis-tiny", "seqformer-tiny", "maxtron-vps-tiny"])
def test_a_resnet_of_transformers_goes_into_every_family_that_has_one(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name).eval()
    resnet = ResNetForImageClassification(model.backbone.network.config).eval()
    save_file(resnet.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    report = load_weights(model, tmp_path / "model.safetensors")
    assert not report.missing
    assert report.unmatched == ("classifier.1.bias", "classifier.1.weight")
    images = torch.randn(1, 3, 64, 64)
    expected = resnet.resnet(images).last_hidden_state
    torch.testing.assert_close(model.backbone(images)[-1], expected)


def test_a_swin_of_transformers_goes_into_minvis_but_for_the_norms_of_its_levels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("minvis-swin-tiny").eval()
    swin = SwinForImageClassification(model.backbone.network.config).eval()
    for bias in (p for name, p in swin.named_parameters() if "position_bias" in name):
        nn.init.normal_(bias)
    swin.save_pretrained(tmp_path)
    report = load_weights(model, tmp_path / "model.safetensors")
    assert {name.split(".")[1] for name in report.missing} == {"hidden_states_norms"}
    assert {name.rsplit(".", 1)[0] for name in report.unmatched} == {"classifier", "swin.layernorm"}
    images = torch.randn(1, 3, 64, 64)
    options = {"always_partition": True, "output_hidden_states": True}
    expected = swin.swin(images, **options).reshaped_hidden_states[-1]
    found = model.backbone.network.swin(images, **options).reshaped_hidden_states[-1]
    torch.testing.assert_close(found, expected)


def test_a_file_of_another_size_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    torch.save(official_topformer_tiny(), tmp_path / "tiny.pth")
    backbone = create_backbone("topformer-small", 192, 0.0)
    before = state_of(backbone)
    with pytest.raises(UserError, match=r"rows\.1\.project\.conv\.weight is .*tiny\.pth"):
        load_pretrained_backbone(backbone, tmp_path / "tiny.pth")
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())


def test_a_file_of_another_family_is_refused(tmp_path: Path) -> None:
    torch.save(official_seaformer_tiny(), tmp_path / "sea.pth")
    with pytest.raises(UserError, match="holds no weights of TopFormer"):
        load_pretrained_backbone(topformer(), tmp_path / "sea.pth")


def test_a_backbone_without_official_files_is_named(tmp_path: Path) -> None:
    torch.save(official_seaformer_tiny(), tmp_path / "sea.pth")
    with pytest.raises(
        ValueError, match="known are ConvNeXt, EfficientNetLite, ResNet, SeaFormer, Swin, TopFormer"
    ):
        load_pretrained_backbone(nn.Linear(1, 1), tmp_path / "sea.pth")
