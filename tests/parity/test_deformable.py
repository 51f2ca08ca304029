"""Deformable attention: transformers' ``grid_sample``, and our gathers and products."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mobilevis.models.blocks.deformable import DeformableAttention, cell_centres

pytestmark = pytest.mark.parity
pytest.importorskip("transformers", reason="transformers is not installed")

DIM, HEADS, POINTS = 16, 4, 3
SIZES = [(8, 12), (4, 6), (2, 3), (1, 2)]
CELLS = sum(height * width for height, width in SIZES)


def modules() -> tuple[DeformableAttention, Any]:
    """Ours, and Deformable DETR's in transformers with the same random weights."""
    from transformers import DeformableDetrConfig
    from transformers.models.deformable_detr import modeling_deformable_detr as theirs

    torch.manual_seed(0)
    config = DeformableDetrConfig(d_model=DIM, num_feature_levels=len(SIZES))
    ours = DeformableAttention(DIM, HEADS, len(SIZES), POINTS).eval()
    other = theirs.DeformableDetrMultiscaleDeformableAttention(config, HEADS, POINTS).eval()
    pairs = {
        "sampling_offsets": ours.sampling.offsets,
        "attention_weights": ours.sampling.weights,
        "value_proj": ours.value,
        "output_proj": ours.out,
    }
    with torch.no_grad():
        for name, layer in pairs.items():
            layer.weight.normal_(std=0.3)
            layer.bias.add_(torch.randn_like(layer.bias) * 0.3)
            getattr(other, name).load_state_dict(layer.state_dict())
    return ours, other


@pytest.mark.parametrize("boxes", [False, True])
def test_both_sample_and_weigh_alike(boxes):
    """Around the cells' centres, as encoders do; and in boxes, as SeqFormer's decoder does, some of which
    leave the picture."""
    ours, other = modules()
    query, features = torch.randn(2, CELLS, DIM), torch.randn(2, CELLS, DIM)
    reference = cell_centres(SIZES, query)
    if boxes:
        reference = torch.cat([reference, torch.rand(1, CELLS, 2) * 1.5], dim=2)
    levels = reference[:, :, None].expand(2, CELLS, len(SIZES), reference.shape[2])
    shapes = torch.tensor(SIZES)
    starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
    with torch.no_grad():
        expected, _ = other(
            query,
            encoder_hidden_states=features,
            reference_points=levels,
            spatial_shapes=shapes,
            spatial_shapes_list=SIZES,
            level_start_index=starts,
        )
        torch.testing.assert_close(ours(query, reference, features, SIZES), expected, rtol=1e-4, atol=1e-5)
