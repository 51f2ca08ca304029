"""The within-clip module: where trajectory layers stand, and that they disturb nothing at first."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.blocks.deformable import DeformableAttention, cell_centres
from mobilevis.models.maxtron.within_clip import RESIDUAL_SCALE, ClipMixer

DIM, FRAMES = 32, 2
SIZES = [(2, 2), (2, 3), (4, 4)]
CELLS = sum(height * width for height, width in SIZES)


def mixer(**options):
    torch.manual_seed(0)
    return ClipMixer(DIM, 4, 48, 2, 1, FRAMES, **options)


def change_of_levels(place):
    """How much the module changes the pixel decoder's levels, relative, with the same weights otherwise."""
    torch.manual_seed(0)
    changed = create_model("maxtron-vis-tiny", axial_place=place).eval()
    plain = create_model("maxtron-vis-tiny", axial_layers=0).eval()
    plain.load_state_dict({k: v for k, v in changed.state_dict().items() if k in plain.state_dict()})
    features = plain.encode(255 * torch.rand(changed.clip_length, 3, 64, 96))
    with torch.no_grad():
        pairs = zip(plain.clip_features(features).levels, changed.clip_features(features).levels)
        return [float((a - b).norm() / a.norm()) for a, b in pairs]


def test_a_trained_pixel_decoder_begins_as_it_was():
    assert max(change_of_levels("inside")) < 1e-5
    assert min(change_of_levels("after")) > 0.1


def test_it_stands_on_what_the_attention_sampled_before_the_projection():
    """out(f + γ·layer(f)), f what the attention without it projects."""
    inside, attention = mixer(residual=True), DeformableAttention(DIM, 4, len(SIZES), 2)
    torch.nn.init.constant_(inside.scales, 0.5)
    query = torch.randn(FRAMES, CELLS, DIM)
    with torch.no_grad():
        given: list[torch.Tensor] = []
        attention(query, cell_centres(SIZES, query), query, SIZES, lambda f: given.append(f) or f)
        found = attention(query, cell_centres(SIZES, query), query, SIZES, lambda f: inside(0, f, SIZES))
        expected = given[0].clone()
        for level, cells in ((0, slice(0, 4)), (1, slice(4, 10))):
            maps = given[0][:, cells].transpose(1, 2).reshape(FRAMES, DIM, *SIZES[level])
            mixed = inside.stages[0][0](maps, FRAMES, inside.level_embeddings[level])
            expected[:, cells] += 0.5 * mixed.flatten(2).transpose(1, 2)
        torch.testing.assert_close(found, attention.out(expected))


def test_the_scale_starts_at_a_millionth_and_learns():
    inside = mixer(residual=True)
    assert bool((inside.scales == RESIDUAL_SCALE).all())
    inside(0, torch.randn(FRAMES, CELLS, DIM), SIZES).square().sum().backward()
    assert float(inside.scales.grad[0].abs().sum()) > 0


@pytest.mark.parametrize("residual", [False, True])
def test_the_finest_level_is_left_alone(residual):
    cells = torch.randn(FRAMES, CELLS, DIM)
    with torch.no_grad():
        mixed = mixer(residual=residual)(0, cells, SIZES)
    assert torch.equal(mixed[:, 10:], cells[:, 10:])
    assert not torch.equal(mixed[:, :10], cells[:, :10])


def test_in_sequential_order_it_waits_for_the_last_deformable_layer_of_a_block():
    cells = torch.randn(FRAMES, CELLS, DIM)
    later = mixer(every=2)
    with torch.no_grad():
        changed = [not torch.equal(later(index, cells, SIZES), cells) for index in range(4)]
    assert changed == [False, True, False, True]
