"""Draw frames: sprites warped over a ground, with shadows, blur, light and noise, and each pixel's owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.data.synth.cast import Character
from mobilevis.data.synth.motion import Camera, Curve, ObjectPath
from mobilevis.data.synth.textures import Image

SHUTTER = 0.5  # share of the frame interval during which light is gathered: length of the motion blur
SHADOW_OPACITY = 0.45
MIN_VISIBLE_PIXELS = 12  # fewer are no target: nobody could label them

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Owners = NDArray[np.int16]


@dataclass(frozen=True)
class Actor:
    """A character on its path."""

    character: Character
    path: ObjectPath


@dataclass(frozen=True)
class Light:
    """Light over time.

    Attributes:
        direction: (T, 3) unit vectors towards the light, in (u, v, towards the camera).
        gain: (T, 3) factor for each of R, G, B.
        slope: (T, 2) change of brightness across and down the frame.
    """

    direction: Curve
    gain: Curve
    slope: Curve


@dataclass(frozen=True)
class Scene:
    """All that is needed to draw a video.

    Attributes:
        size: (height, width) of a frame in pixels.
        ground: (Hg, Wg, 3) float32 RGB in [0, 255], larger than the frame; its middle is the frame's middle
            when the camera has not moved.
        actors: from the bottom to the top.
        camera: where the frame lies on the ground.
        light: as it falls on the scene.
        grain: (H + n, W + n, 3) float32 sensor noise; every frame takes another part of it.
        seed: chooses those parts.
    """

    size: tuple[int, int]
    ground: Image
    actors: tuple[Actor, ...]
    camera: Camera
    light: Light
    grain: Image
    seed: int

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.camera.zoom)

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Category of each actor."""
        return tuple(actor.character.category_id for actor in self.actors)

    def draw(self, t: int) -> tuple[Frame, list[Optional[Mask]]]:
        """Frame t and each actor's visible part in it; see ``render_frame`` and ``visible_masks``."""
        frame, owners = render_frame(self, t)
        return frame, visible_masks(owners, len(self.actors))


def _view_matrix(scene: Scene, t: int) -> NDArray[np.float64]:
    """The (2, 3) affine map from scene coordinates (frame heights) to pixels of frame t."""
    height, width = scene.size
    camera = scene.camera
    zoom, roll = height * camera.zoom[t], camera.roll[t]
    turn = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    middle = np.array([width / height, 1.0]) / 2
    offset = np.array([width, height]) / 2 - turn @ (middle + camera.pan[t])
    return np.column_stack([turn, offset])


def _draw_ground(scene: Scene, t: int) -> Image:
    height, width = scene.size
    ground_height, ground_width = scene.ground.shape[:2]
    view = _view_matrix(scene, t)
    # Ground pixels to scene coordinates: same scale, the two middles coincide.
    to_scene = np.array(
        [
            [1 / height, 0, (width - ground_width) / 2 / height],
            [0, 1 / height, (height - ground_height) / 2 / height],
            [0, 0, 1],
        ]
    )
    return cv2.warpAffine(
        scene.ground, view @ to_scene, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def _line_kernel(motion: NDArray[np.float64]) -> Optional[Image]:
    """A normalised kernel that averages along ``motion`` pixels; None where that is less than a pixel."""
    length = float(np.hypot(*motion))
    if length < 1.5:
        return None
    reach = int(np.ceil(length / 2))
    middle = np.array([reach, reach])
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    start, end = (np.rint((middle + sign * motion / 2) * 16).astype(int) for sign in (-1, 1))
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0, 1, cv2.LINE_8, 4)
    return kernel / kernel.sum()


def _pixel_motion(scene: Scene, actor: Actor, t: int) -> NDArray[np.float64]:
    """How far the actor's centre moves on the screen while the shutter is open, in pixels."""
    later = min(t + 1, scene.length - 1)
    earlier = max(later - 1, 0)
    ends = [_view_matrix(scene, k) @ [*actor.path.centre[k], 1] for k in (earlier, later)]
    return SHUTTER * (ends[1] - ends[0])


@dataclass(frozen=True)
class _Patch:
    """An actor warped into a window of the frame: premultiplied RGB in [0, 255], coverage in [0, 1]."""

    x: int
    y: int
    rgb: Image
    coverage: Image


def _warp(scene: Scene, actor: Actor, t: int) -> Optional[_Patch]:
    """The actor's pixels in frame t, None where it is out of the frame."""
    height, width = scene.size
    view, path = _view_matrix(scene, t), actor.path
    centre = view @ [*path.centre[t], 1]
    radius = path.diameter[t] / 2 * height * scene.camera.zoom[t]
    blur = _line_kernel(_pixel_motion(scene, actor, t))
    margin = radius * (1.45 + actor.character.bend) + (0 if blur is None else blur.shape[0])
    x0, y0 = (max(int(np.floor(c - margin)), 0) for c in centre)
    x1, y1 = (min(int(np.ceil(c + margin)), limit) for c, limit in zip(centre, (width, height)))
    if x1 <= x0 or y1 <= y0:
        return None
    angle = path.angle[t] + scene.camera.roll[t]
    cos, sin = np.float32(np.cos(angle) / radius), np.float32(np.sin(angle) / radius)
    dx = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - centre[0])
    dy = (np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - centre[1]))[:, None]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    phase = path.phase[t]
    v = v / np.float32(1 + actor.character.flap * np.sin(phase)) - actor.character.bend * np.sin(
        2.2 * u - np.float32(phase)
    )
    sprite = actor.character.sprite
    level = int(np.clip(np.log2(sprite.side / (2 * radius)), 0, len(sprite.levels) - 1))
    texture, normals = sprite.levels[level], sprite.normals[level]
    scale = np.float32(texture.shape[0] / 2)
    map_u, map_v = (u + 1) * scale - np.float32(0.5), (v + 1) * scale - np.float32(0.5)
    surface = cv2.remap(texture, map_u, map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    slope = cv2.remap(normals, map_u, map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    surface[..., :3] *= _shading(slope, scene.light.direction[t], angle)[..., None]
    if blur is not None:
        surface = cv2.filter2D(surface, -1, blur, borderType=cv2.BORDER_CONSTANT)
    return _Patch(x0, y0, surface[..., :3], surface[..., 3] * np.float32(1 / 255))


def _shading(slope: Image, light: NDArray[np.float64], angle: float) -> Image:
    """Ambient and diffuse light on a surface with a small highlight; 1 on a flat, level surface."""
    across = light[0] * np.cos(angle) + light[1] * np.sin(angle)
    down = light[1] * np.cos(angle) - light[0] * np.sin(angle)
    facing = np.sqrt(np.maximum(1 - slope[..., 0] ** 2 - slope[..., 1] ** 2, 0))
    diffuse = slope[..., 0] * np.float32(across) + slope[..., 1] * np.float32(down)
    diffuse += facing * np.float32(light[2])
    return 0.5 + np.float32(0.5 / light[2]) * np.maximum(diffuse, 0)


def _cast_shadow(frame: Image, patch: _Patch, light: NDArray[np.float64], height: int) -> None:
    """Darken what lies under an object, away from the light and soft at the border."""
    reach = 0.03 * height
    pad = int(np.ceil(reach * 2))
    shift = -reach * light[:2] / np.hypot(*light[:2])
    cover = cv2.copyMakeBorder(patch.coverage, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    cover = cv2.blur(cv2.blur(cover, (pad // 2 + 1, pad // 2 + 1)), (pad // 2 + 1, pad // 2 + 1))
    x, y = (round(c - pad + s) for c, s in zip((patch.x, patch.y), shift))
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + cover.shape[1], frame.shape[1]), min(y + cover.shape[0], frame.shape[0])
    if x1 > x0 and y1 > y0:
        shade = 1 - np.float32(SHADOW_OPACITY) * cover[y0 - y : y1 - y, x0 - x : x1 - x]
        frame[y0:y1, x0:x1] *= shade[..., None]


def _expose(scene: Scene, frame: Image, t: int) -> Frame:
    """Apply light and sensor noise and quantise."""
    height, width = scene.size
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(scene.light.slope[t, 0])
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(scene.light.slope[t, 1])
    brightness = 1 + across + down[:, None]
    frame *= brightness[..., None]
    frame *= scene.light.gain[t].astype(np.float32)
    x, y = np.random.default_rng((scene.seed, t)).integers(0, scene.grain.shape[0] - height + 1, 2)
    frame += scene.grain[y : y + height, x : x + width]
    return np.clip(frame, 0, 255).astype(np.uint8)


def render_frame(scene: Scene, t: int) -> tuple[Frame, Owners]:
    """Draw frame t.

    Returns:
        The frame, (H, W, 3) uint8 RGB, and (H, W) int16 with the index of the actor that each pixel shows,
        -1 for the ground: masks of one frame are disjoint, and only visible parts are owned.
    """
    frame = _draw_ground(scene, t)
    owners = np.full(scene.size, -1, dtype=np.int16)
    for index, actor in enumerate(scene.actors):
        patch = _warp(scene, actor, t)
        if patch is None:
            continue
        _cast_shadow(frame, patch, scene.light.direction[t], scene.size[0])
        rows = slice(patch.y, patch.y + patch.coverage.shape[0])
        columns = slice(patch.x, patch.x + patch.coverage.shape[1])
        window = frame[rows, columns]
        window *= 1 - patch.coverage[..., None]
        window += patch.rgb
        owners[rows, columns][patch.coverage > 0.5] = index
    return _expose(scene, frame, t), owners


def visible_masks(owners: Owners, actors: int) -> list[Optional[Mask]]:
    """The visible part of each actor, (H, W) bool, or None where too little of it is seen."""
    counts = np.bincount(owners.ravel() + 1, minlength=actors + 1)[1:]
    return [owners == k if counts[k] >= MIN_VISIBLE_PIXELS else None for k in range(actors)]
