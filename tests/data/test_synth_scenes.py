"""The procedural scenes hold what a tracker must cope with, and their masks are the objects' pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from mobilevis.data.synth.canvas import make_sprite
from mobilevis.data.synth.cast import Character
from mobilevis.data.synth.motion import Camera, ObjectPath, draw_moments
from mobilevis.data.synth.render import Actor, Light, Scene, render_frame
from mobilevis.data.synth.shapes import SHAPES, draw_sprite
from mobilevis.data.synth.sources import SynthOptions, video_source
from mobilevis.data.synth.textures import FAMILIES
from mobilevis.runtime.errors import UserError

SIZE = (64, 128)
FRAMES = 36


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    source = video_source(SynthOptions(videos=12, frames=FRAMES, size=SIZE, seed=3))
    return [source.video(index) for index in range(12)]


@pytest.fixture(scope="module")
def seen(scenes) -> list[np.ndarray]:
    """Of each scene (T, objects) bool: whether the object is seen in the frame."""
    return [
        np.array([[mask is not None for mask in scene.draw(t)[1]] for t in range(FRAMES)]) for scene in scenes
    ]


def flat_scene(speed: float, frames: int = 6) -> Scene:
    """A white square on black, evenly lit, that moves right by ``speed`` frame heights a frame."""
    t = np.arange(frames)
    zeros = np.zeros(frames)
    white = np.full((32, 32, 3), 255.0, dtype=np.float32)
    sprite = make_sprite(white, np.ones((32, 32), np.float32), np.zeros((32, 32, 2), np.float32))
    path = ObjectPath(np.column_stack([0.5 + speed * t, zeros + 0.5]), zeros, zeros + 0.25, zeros)
    return Scene(
        size=SIZE,
        ground=np.zeros((100, 200, 3), dtype=np.float32),
        actors=(Actor(Character(1, sprite, 0.25, "upright", 0.0, 0.0), path),),
        camera=Camera(np.zeros((frames, 2)), zeros + 1, zeros),
        light=Light(np.tile([0.6, 0.0, 0.8], (frames, 1)), np.ones((frames, 3)), np.zeros((frames, 2))),
        grain=np.zeros((SIZE[0] + 1, SIZE[0] * 2 + 1, 3), dtype=np.float32),
        seed=0,
    )


def test_a_mask_is_the_pixels_of_its_object():
    frame, (mask,) = flat_scene(speed=0.0).draw(0)
    np.testing.assert_array_equal(mask, frame[..., 1] > 127)
    rows, columns = np.nonzero(mask)
    # A square of 0.25 frame heights, 16 pixels, around (0.5, 0.5), pixel (32, 32).
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (24, 39, 24, 39)


def test_a_fast_object_is_blurred_along_its_motion():
    def grey_pixels(speed: float) -> int:
        frame, _ = flat_scene(speed).draw(2)
        row = frame[SIZE[0] // 2, :, 1]
        return int(((row > 20) & (row < 235)).sum())

    assert grey_pixels(speed=0.0) <= 2
    # The shutter is open for half of 0.25 frame heights, 8 pixels, at each of the two edges.
    assert 12 <= grey_pixels(speed=0.25) <= 20


def test_an_object_out_of_the_frame_is_not_seen():
    scene = flat_scene(speed=0.6)  # the right border is at 2 frame heights
    assert [scene.draw(t)[1][0] is not None for t in range(5)] == [True, True, True, False, False]


def test_the_object_on_top_hides_the_one_below():
    scene = flat_scene(speed=0.0)
    twins = replace(scene, actors=scene.actors * 2)
    below, above = twins.draw(0)[1]
    assert below is None
    assert above.sum() == 256


def test_masks_of_a_frame_are_disjoint(scenes):
    for scene in scenes:
        masks = [mask for mask in scene.draw(7)[1] if mask is not None]
        assert sum(mask.astype(int) for mask in masks).max() == 1


def test_removing_an_object_changes_the_picture_at_its_mask(scenes):
    scene = replace(scenes[0], light=replace(scenes[0].light, slope=np.zeros((FRAMES, 2))))
    frame, owners = render_frame(scene, 0)
    top = len(scene.actors) - 1
    without, _ = render_frame(replace(scene, actors=scene.actors[:top]), 0)
    change = np.abs(frame.astype(int) - without).max(axis=2)
    assert (owners == top).any()
    assert np.median(change[owners == top]) > 20


def test_some_objects_leave_and_come_back(seen):
    returning = 0
    for visible in seen:
        for track in visible.T:
            changes = np.diff(np.flatnonzero(track))
            returning += bool((changes > 2).any())
    assert returning >= 3


def test_objects_occlude_each_other(scenes):
    hidden = []
    for scene in scenes:
        together = np.bincount(render_frame(scene, 12)[1].ravel() + 1, minlength=len(scene.actors) + 1)
        for index, actor in enumerate(scene.actors):
            alone = (render_frame(replace(scene, actors=(actor,)), 12)[1] == 0).sum()
            if alone:
                hidden.append(1 - together[index + 1] / alone)
    hidden = np.array(hidden)
    assert (hidden > 0.2).sum() >= 3
    assert (hidden == 0).sum() > len(hidden) / 4


def test_some_scenes_hold_look_alikes(scenes):
    def lookalikes(scene: Scene) -> int:
        sprites = {id(actor.character.sprite) for actor in scene.actors}
        return len(scene.actors) - len(sprites)

    assert sum(lookalikes(scene) > 0 for scene in scenes) >= 3


def test_light_and_camera_move(scenes):
    brightness = [[scene.draw(t)[0].mean() for t in range(0, FRAMES, 7)] for scene in scenes[:4]]
    assert np.ptp(brightness, axis=1).max() > 10
    assert min(np.ptp(scene.camera.pan, axis=0).max() for scene in scenes) > 0.01


def test_objects_change_their_size(scenes):
    ratios = [a.path.diameter.max() / a.path.diameter.min() for scene in scenes for a in scene.actors]
    assert np.median(ratios) > 1.05


def test_at_least_ten_categories_have_silhouettes_of_their_own():
    assert len(SHAPES) >= 10
    outlines = {}
    for name in SHAPES:
        sprite = draw_sprite(name, 64, np.random.default_rng(0), FAMILIES["a"])
        outlines[name] = sprite.levels[0][..., 3] > 127
        assert 0.1 < outlines[name].mean() < 0.8
    for (first, one), (second, other) in combinations(outlines.items(), 2):
        overlap = (one & other).sum() / (one | other).sum()
        assert overlap < 0.93, (first, second)


def test_specimens_of_a_category_differ():
    first, second = (
        draw_sprite("fish", 64, np.random.default_rng(seed), FAMILIES["a"]).levels[0] for seed in (0, 1)
    )
    assert np.abs(first - second)[..., :3].mean() > 5


def test_two_texture_families_share_no_hue():
    hues = {}
    for name, family in FAMILIES.items():
        rng = np.random.default_rng(0)
        hues[name] = {int(360 * family.hue(rng)) // 30 for _ in range(300)}
    assert hues["a"].isdisjoint(hues["b"])
    assert len(hues["a"]) == len(hues["b"]) == 6


def frames_of(pace: str) -> list[np.ndarray]:
    video = video_source(SynthOptions(videos=1, frames=FRAMES, size=SIZE, seed=3, pace=pace)).video(0)
    return [video.draw(t) for t in range(FRAMES)]


def test_a_still_video_shows_one_moment_under_a_noise_that_changes():
    frames, masks = zip(*frames_of("still"))
    for t in (1, FRAMES - 1):
        assert all(np.array_equal(a, b) for a, b in zip(masks[0], masks[t]))
        assert 0 < np.abs(frames[0].astype(int) - frames[t]).mean() < 10


def test_a_mixed_video_moves_and_stands_still_by_turns():
    moments = draw_moments(np.random.default_rng(0), 60, "mixed")
    steps = np.diff(moments)
    assert set(steps) == {0, 1}
    runs = np.diff(np.flatnonzero(np.diff(steps)))
    assert all(6 <= run < 15 for run in runs)
    assert moments[0] == 0


def test_a_moving_video_shows_each_moment_once():
    assert draw_moments(np.random.default_rng(0), 9, "moving").tolist() == list(range(9))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"pace": "fast"}, "moving, mixed, still"), ({"pace": "still", "mode": "pseudo"}, "leave --pace out")],
)
def test_a_pace_that_does_not_fit_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        SynthOptions(**options)
