"""SparseInst, the baseline: its entries, and instances as weighted means of features."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.mobileinst.sparseinst import SPARSEINST_BACKBONES, SparseInst

SIZE = (64, 128)


def _model(backbone: str = "topformer-base") -> SparseInst:
    torch.manual_seed(0)
    model = create_model(f"sparseinst-{backbone}", num_queries=6, num_classes=3)
    assert isinstance(model, SparseInst)
    return model.eval()


@pytest.mark.parametrize("backbone", SPARSEINST_BACKBONES)
def test_entries_run_at_the_shapes_that_they_declare(backbone):
    model = _model(backbone)
    with torch.no_grad():
        for entry in model.streaming(SIZE, max_instances=2).entries.values():
            out = getattr(model, entry.method)(*(torch.rand(shape) for shape in entry.inputs.values()))
            outputs = out if isinstance(out, tuple) else (out,)
            assert [tuple(x.shape) for x in outputs] == list(entry.outputs.values())
            assert all(x.isfinite().all() for x in outputs)


def test_decode_reads_what_encode_gives():
    entries = _model().streaming(SIZE, max_instances=2).entries
    assert entries["decode"].inputs.items() <= entries["encode"].outputs.items()


def test_an_instance_is_the_mean_of_the_features_weighted_by_its_map():
    model = _model()
    model.instance_branch = torch.nn.Identity()
    model.kernel_head = torch.nn.Identity()
    features = torch.rand(1, 256, 8, 16)
    with torch.no_grad():
        maps = model.activation_maps(features).sigmoid()
        kernels, _ = model.decode(features)
    weighted = (maps.unsqueeze(2) * features.unsqueeze(1)).sum((3, 4)) / maps.sum((2, 3)).unsqueeze(2)
    torch.testing.assert_close(kernels, weighted, rtol=1e-4, atol=1e-5)


def test_the_size_of_the_resnet_model_is_the_published_one():
    with torch.device("meta"):
        model = create_model("sparseinst-resnet50")
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(31.6, abs=0.1)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="sparseinst-resnet50 has no backbone topformer-base"):
        create_model("sparseinst-resnet50", backbone="topformer-base")
