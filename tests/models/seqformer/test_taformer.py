"""TAFormer's additions: what they see of other frames, and their size."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.blocks.deformable import cell_centres
from mobilevis.models.seqformer.taformer import (
    FUSIONS,
    DynamicFusion,
    JointAttention,
    TemporalSelfAttention,
    neighbours,
    temporal_positions,
)

SIZES = [(4, 4), (2, 2)]
CELLS = 20


def joint_attention(window: int = 1, fusion: str = "dynamic") -> JointAttention:
    torch.manual_seed(0)
    return JointAttention(
        32, heads=4, levels=2, points=2, window=window, temporal_points=2, fusion=fusion
    ).eval()


def run(attention: JointAttention, cells: torch.Tensor, length: int) -> torch.Tensor:
    with torch.no_grad():
        return attention(cells, cell_centres(SIZES, cells), cells, SIZES, length)


def changed_frames(before: torch.Tensor, after: torch.Tensor) -> list[int]:
    return [i for i, (a, b) in enumerate(zip(before, after)) if not torch.equal(a, b)]


def test_neighbours_stand_in_order_and_end_with_the_clip() -> None:
    near = neighbours(frames=4, length=4, window=2).tolist()
    assert near == [[0, 0, 1, 2], [0, 0, 2, 3], [0, 1, 3, 3], [1, 2, 3, 3]]


def test_neighbours_of_one_clip_do_not_come_from_another_of_the_batch() -> None:
    # Two clips of two frames, frame-major: frames 0 and 2 are one, 1 and 3 the other.
    assert neighbours(frames=4, length=2, window=1).tolist() == [[0, 2], [1, 3], [0, 2], [1, 3]]


def test_a_frame_is_seen_by_the_frames_within_the_window_alone() -> None:
    attention = joint_attention(window=1)
    cells = torch.randn(5, CELLS, 32)
    other = cells.clone()
    other[2] += torch.randn(CELLS, 32)
    assert changed_frames(run(attention, cells, 5), run(attention, other, 5)) == [1, 2, 3]


def test_a_clip_of_one_frame_attends_to_itself() -> None:
    assert run(joint_attention(window=2), torch.randn(1, CELLS, 32), 1).isfinite().all()


def test_the_temporal_weights_sum_to_one_over_all_neighbours() -> None:
    attention = joint_attention(window=2)
    torch.nn.init.normal_(attention.temporal.weights.weight)
    near = SIZES * 4
    _, weights = attention.temporal(torch.randn(1, CELLS, 32), torch.rand(1, CELLS, 2), near)
    assert weights.shape == (1, CELLS, 4, len(near), 2)
    torch.testing.assert_close(weights.sum((3, 4)), torch.ones(1, CELLS, 4))


def test_dynamic_fusion_is_the_softmax_of_two_gates() -> None:
    torch.manual_seed(0)
    fusion = DynamicFusion(8)
    spatial, temporal = torch.randn(3, 8), torch.randn(3, 8)
    squeezed = fusion.squeeze(spatial + temporal).relu()
    gates = torch.stack([fusion.spatial_gate(squeezed), fusion.temporal_gate(squeezed)]).softmax(dim=0)
    torch.testing.assert_close(fusion(spatial, temporal), gates[0] * spatial + gates[1] * temporal)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_each_fusion_of_table_4_keeps_the_width(fusion: str) -> None:
    assert run(joint_attention(fusion=fusion), torch.randn(3, CELLS, 32), 3).shape == (3, CELLS, 32)


def test_temporal_self_attention_joins_the_frames_of_a_query_and_no_two_queries() -> None:
    torch.manual_seed(0)
    attention = TemporalSelfAttention(16, heads=2).eval()
    boxes = torch.randn(3, 4, 16)
    other = boxes.clone()
    other[0, 1] += 1.0
    with torch.no_grad():
        before, after = attention(boxes, 3), attention(other, 3)
    assert all(changed_frames(a, b) == [1] for a, b in zip(before, after))


def test_frames_are_told_apart_by_position_in_clips_of_any_length() -> None:
    short, long = (temporal_positions(length, 8, torch.zeros(1)) for length in (3, 36))
    torch.testing.assert_close(short[0], long[0, :3])
    assert torch.cdist(long[0], long[0]).add(torch.eye(36)).min() > 0.1


def parameters(name: str, **config: object) -> float:
    with torch.device("meta"):
        model = create_model(name, **config)
    return sum(p.numel() for p in model.parameters()) / 1e6


def test_the_sizes_are_the_published_ones() -> None:
    for size, seqformer, taformer in (
        ("r50", 49.3, 52.2),
        ("r101", 68.4, 71.3),
        ("swin-large", 220.0, 222.9),
    ):
        assert parameters(f"seqformer-{size}") == pytest.approx(seqformer, rel=0.02)
        assert parameters(f"taformer-{size}") == pytest.approx(taformer, rel=0.02)


def test_the_additions_and_each_temporal_point_weigh_what_tables_1_and_7_say() -> None:
    contrastive_head = 2 * 257 * 256 / 1e6  # a training loss's, which the paper counts
    sizes = [parameters("taformer-r50", temporal_points=k) + contrastive_head for k in (1, 2, 3, 4)]
    added = [size - parameters("seqformer-r50") for size in sizes]
    assert added == pytest.approx([50.4 - 49.3, 51.0 - 49.3, 51.6 - 49.3, 52.2 - 49.3], abs=0.1)
