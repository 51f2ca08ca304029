"""Trajectory attention is the paper's equations, and its cost is theirs."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.maxtron.trajectory import (
    AxialTrajectoryLayer,
    FullTrajectoryLayer,
    TrajectoryAttention,
)

DIM, HEADS = 16, 4


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return TrajectoryAttention(DIM, HEADS)


def equations(module, x, frames):
    """Eq. 2-4 as they are printed, one reference point at a time."""
    length, size = x.shape[1] // frames, DIM // HEADS
    q, k, v = (layer(x).view(x.shape[1], HEADS, size) for layer in (module.query, module.key, module.value))
    out = torch.zeros(x.shape[1], DIM)
    for position in range(x.shape[1]):
        own_frame = position // length
        path = torch.zeros(frames, HEADS, size)
        for t in range(frames):
            inside = slice(t * length, (t + 1) * length)
            similarity = torch.einsum("hd,phd->hp", q[position], k[inside]) * size**-0.5
            path[t] = torch.einsum("hp,phd->hd", similarity.softmax(-1), v[inside])
        path = path.view(frames, DIM)
        query = module.path_query(path[own_frame]).view(HEADS, size)
        keys, values = (f(path).view(frames, HEADS, size) for f in (module.path_key, module.path_value))
        weights = (torch.einsum("hd,thd->ht", query, keys) * size**-0.5).softmax(-1)
        out[position] = torch.einsum("ht,thd->hd", weights, values).reshape(DIM)
    return module.out(out)[None]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_it_is_the_papers_equations(attention, frames):
    x = torch.randn(1, frames * 5, DIM)
    with torch.no_grad():
        assert torch.allclose(attention(x, frames), equations(attention, x, frames), atol=1e-5)


def test_a_trajectory_follows_what_moves(attention):
    """The point that a position finds in another frame is the value at the place of its own likeness."""
    features = 20 * torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 3, 3, 0, 1, 2]), DIM).float()[None]
    place = torch.arange(8.0).view(1, 8, 1).expand(1, 8, DIM)
    points = attention.trajectories(features, features, place.contiguous(), frames=2)
    assert torch.allclose(points[1][0, :4, 0], torch.tensor([5.0, 6.0, 7.0, 4.0]), atol=1e-3)


def test_clips_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(DIM, HEADS, 32)
    x = torch.randn(4, DIM, 3, 5)  # frame-major: frames 0 and 2 are one clip, 1 and 3 the other
    with torch.no_grad():
        together = layer(x, frames=2)
        for first in (0, 1):
            torch.testing.assert_close(together[first::2], layer(x[first::2], frames=2))


def test_a_frame_learns_of_the_other_frames_of_its_clip():
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(DIM, HEADS, 32)
    blind = AxialTrajectoryLayer(DIM, HEADS, 32, across_frames=False)
    blind.load_state_dict(layer.state_dict())
    x = torch.randn(2, DIM, 4, 4)
    changed = torch.cat([x[:1], torch.randn(1, DIM, 4, 4)])
    with torch.no_grad():
        assert not torch.allclose(layer(x, 2)[0], layer(changed, 2)[0], atol=1e-3)
        assert torch.allclose(blind(x, 2)[0], blind(changed, 2)[0], atol=1e-5)


def test_height_then_width_reaches_the_whole_frame():
    torch.manual_seed(0)
    layer = AxialTrajectoryLayer(DIM, HEADS, 32)
    x = torch.randn(2, DIM, 4, 4, requires_grad=True)
    layer(x, 2)[0, :, 0, 0].square().sum().backward()
    assert bool((x.grad.abs().sum(1) > 0).all())


def test_the_full_layer_reaches_every_cell_of_the_clip_in_one_step():
    torch.manual_seed(0)
    layer = FullTrajectoryLayer(DIM, HEADS, 32)
    x = torch.randn(2, DIM, 3, 4)
    with torch.no_grad():
        tokens = x.permute(0, 2, 3, 1).reshape(1, 2 * 3 * 4, DIM)
        attended = layer.plane(tokens, 2)
        assert torch.allclose(
            attended.view(1, 2, 3, 4, DIM) + tokens.view(1, 2, 3, 4, DIM),
            layer.attend(tokens.view(1, 2, 3, 4, DIM), torch.zeros(1, 2, 3, 4, DIM)),
        )
