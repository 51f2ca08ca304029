"""Networks that are a script: ellipses that move, as a network would see them, for golden.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.metadata import parse_metadata

Array = NDArray[np.float32]

INPUT = (128, 256)
CELLS = (16, 32)  # of the mask features
WIDTH = 16  # of a kernel
QUERIES, SLOTS, CLASSES = 14, 8, 4
FRAMES = 48


PLACE = 5  # of a dense kernel: factors of x², y², x, y and 1
CELLS_OF_DETECTOR, EMBEDDING = 40, 8
GRIDS = {3: (4, 8), 4: (2, 3), 5: (1, 2)}  # of these cells, by level


def scripted_metadata(driver: str = "mobileinst", propagates: bool = False) -> str:
    """The metadata of ``ScriptedArtefact``, as JSON; with or without the entry ``propagate``."""

    def tensors(**shapes: tuple[int, ...]) -> list[dict[str, Any]]:
        return [{"name": name, "shape": list(s), "dtype": "float32"} for name, s in shapes.items()]

    is_dense = driver == "mobileinst-dense"
    rows = CELLS_OF_DETECTOR if is_dense else QUERIES
    scores = {"scores": (1, rows, CLASSES)}
    decoded = {**scores, **_maps("class_tower", 1)} if is_dense else {"kernels": (1, rows, WIDTH), **scores}
    features = {"mask_features": (1, WIDTH, *CELLS)}
    located = {"boxes": (1, rows, 4), "objectness": (1, rows, 1)} if is_dense else {}
    located.update(_maps("stem", WIDTH + EMBEDDING) | _maps("tower", 2) if is_dense else {})
    masks = (1, SLOTS, 2 * CELLS[0], 2 * CELLS[1])
    entries = {
        "encode": {"inputs": tensors(frame=(1, 3, *INPUT)), "outputs": tensors(**features, **located)},
        "decode": {"inputs": tensors(**features), "outputs": tensors(**decoded)},
        "segment": {
            "inputs": tensors(kernels=(1, SLOTS, WIDTH), **features),
            "outputs": tensors(mask_logits=masks),
        },
    }
    if is_dense:
        given = {"chosen_boxes": (1, SLOTS, 4), "levels": (1, 3, 1, SLOTS), "inside": (1, 1, 3, 3 * SLOTS)}
        channels = {"stem_patches": WIDTH + EMBEDDING, "class_patches": 1, "box_patches": 2}
        given.update((name, (1, count, 3, 3 * SLOTS)) for name, count in channels.items())
        described = tensors(kernels=(1, SLOTS, WIDTH), embeddings=(1, SLOTS, EMBEDDING))
        entries["describe"] = {"inputs": tensors(**given), "outputs": described}
    if propagates:
        given = tensors(frame=(1, 3, *INPUT), keyframe_features=(1, WIDTH, *CELLS))
        entries["propagate"] = {"inputs": given, "outputs": tensors(**features)}
    raw = {
        "schema": 1,
        "model": "scripted",
        "driver": driver,
        "entries": entries,
        "input_size": INPUT,
        "classes": [{"id": 10 * i + 1, "name": name} for i, name in enumerate(["ant", "bee", "é", "d"])],
        "options": {"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
    }
    return json.dumps(raw)


def _maps(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    """The shapes of what is said of each level's cells."""
    return {f"{name}{level}": (1, channels, *grid) for level, grid in GRIDS.items()}


class ScriptedArtefact:
    """Stands where a network would: what ``encode`` and ``decode`` say of each frame is given.

    ``describe`` says what the stems hold of the cells themselves. ``propagate`` says the mean of the frame's
    own mask features and the keyframe's. ``segment`` adds its products one by one. So another language can
    have the same numbers to the last bit.

    Args:
        outputs: name of an output → (frames, …), a frame's without the batch of 1.
        metadata: as JSON.
    """

    engine = "script"
    threads = 1
    path = Path("script")

    def __init__(self, outputs: dict[str, Array], metadata: str) -> None:
        self.metadata = parse_metadata(metadata, "script")
        self._outputs = outputs
        self.frame = -1

    def run(self, entry: str, inputs: dict[str, Array]) -> dict[str, Array]:
        """Run an entry; ``encode`` and ``propagate`` move to the next frame."""
        if entry == "segment":
            kernels, features = inputs["kernels"][0], inputs["mask_features"][0]
            logits = np.zeros((SLOTS, *CELLS), dtype=np.float32)
            for channel, cells in enumerate(features):
                logits += kernels[:, channel, None, None] * cells
            return {"mask_logits": logits.repeat(2, axis=1).repeat(2, axis=2)[None]}
        if entry == "describe":
            own = inputs["stem_patches"][0, :, 1, 1::3] * inputs["levels"][0, :, 0].sum(axis=0)
            return {"kernels": own[:WIDTH].T[None], "embeddings": own[WIDTH:].T[None]}
        self.frame += entry in ("encode", "propagate")
        if entry == "propagate":
            own = self._outputs["mask_features"][self.frame]
            return {"mask_features": (own[None] + inputs["keyframe_features"]) * np.float32(0.5)}
        names = [tensor.name for tensor in self.metadata.entries[entry].outputs]
        return {name: self._outputs[name][self.frame][None] for name in names}


def on_grid(values: NDArray[Any], steps: int) -> Array:
    """Rounded to multiples of 1 / steps."""
    return (np.round(values * steps) / steps).astype(np.float32)


class Scene:
    """Ellipses that move over a background, one embedding each.

    Args:
        paths: (frames, objects, 2) centres (y, x) in cells; NaN where an object is not there.
        radii: (objects, 2) in cells.
        width: of an embedding.
        seed: of embeddings and noise.
        is_alike: whether all have the embedding of the first.
    """

    def __init__(
        self,
        paths: NDArray[np.float64],
        radii: NDArray[np.float64],
        width: int,
        seed: int,
        is_alike: bool = False,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.paths, self.radii, self.width = paths, radii, width
        # Orthogonal embeddings: an object's kernel answers to its own features alone.
        basis = np.linalg.qr(self.rng.normal(size=(width, width)))[0]
        objects = paths.shape[1]
        self.own, self.background = on_grid(basis[:objects] * 2, 8), on_grid(basis[-1] * 2, 8)
        if is_alike:
            self.own[:] = self.own[0]
        self.features = np.stack([self._see(centres) for centres in paths])

    def _see(self, centres: NDArray[np.float64]) -> Array:
        y, x = np.mgrid[: CELLS[0], : CELLS[1]]
        shape = (self.width, *CELLS)
        picture = np.broadcast_to(self.background[:, None, None], shape).astype(np.float64).copy()
        for centre, radius, own in zip(centres, self.radii, self.own):
            if np.isnan(centre[0]):
                continue
            distance = np.hypot((y - centre[0]) / radius[0], (x - centre[1]) / radius[1])
            share = np.clip((1.2 - distance) * 2, 0, 1)
            picture = picture * (1 - share) + own[:, None, None] * share
        return on_grid(picture + self.rng.normal(0, 0.03, picture.shape), 32)

    def present(self, frame: int) -> list[int]:
        """The objects of a frame."""
        return [int(index) for index in np.flatnonzero(~np.isnan(self.paths[frame, :, 0]))]


def query_outputs(paths: NDArray[np.float64], radii: NDArray[np.float64], seed: int) -> dict[str, Array]:
    """Learned queries: two an object, in places that change, and some that are nothing."""
    scene = Scene(paths, radii, WIDTH, seed)
    frames, rng = len(paths), scene.rng
    every = {"kernels": np.zeros((frames, QUERIES, WIDTH), dtype=np.float32)}
    every["scores"] = np.zeros((frames, QUERIES, CLASSES), dtype=np.float32)
    for frame in range(frames):
        kernels = rng.normal(0, 0.3, (QUERIES, WIDTH)) - scene.background * 0.5
        scores = rng.uniform(0, 0.12, (QUERIES, CLASSES))
        places = rng.permutation(QUERIES)
        for number, index in enumerate(scene.present(frame)):
            for twin in range(2 if 2 * number + 1 < QUERIES else 1):
                place = places[(2 * number + twin) % QUERIES]
                noise = rng.normal(0, 0.15, WIDTH)
                kernels[place] = 3 * scene.own[index] - 2 * scene.background + noise
                scores[place, index % CLASSES] = rng.uniform(0.45, 0.95) - 0.2 * twin
        every["kernels"][frame], every["scores"][frame] = on_grid(kernels, 32), scores
    return {"mask_features": scene.features, **every}


def dense_outputs(
    paths: NDArray[np.float64], radii: NDArray[np.float64], seed: int, is_alike: bool = False
) -> dict[str, Array]:
    """A detector's cells: three an object, whose boxes overlap, and some that are nothing.

    Some frames blur: no cell is sure of anything, so that nobody knows where a reused kernel's object went.
    They are keyframes for an interval of 1 alone. No cell scores more than its objectness.
    """
    scene = Scene(paths, radii, WIDTH - PLACE, seed, is_alike)
    frames, rng = len(paths), scene.rng
    looks = np.linalg.qr(rng.normal(size=(EMBEDDING, EMBEDDING)))[0]
    looks = np.resize(looks[:1], (paths.shape[1], EMBEDDING)) if is_alike else looks
    shapes = {"kernels": WIDTH, "scores": CLASSES, "boxes": 4, "embeddings": EMBEDDING}
    every = {name: np.zeros((frames, CELLS_OF_DETECTOR, n), dtype=np.float32) for name, n in shapes.items()}
    for frame in range(frames):
        corner = rng.uniform(0, 0.8, (CELLS_OF_DETECTOR, 2))
        every["boxes"][frame] = np.hstack([corner, corner + rng.uniform(0.02, 0.3, corner.shape)])
        every["scores"][frame] = rng.uniform(0, 0.25, (CELLS_OF_DETECTOR, CLASSES))
        every["kernels"][frame] = rng.normal(0, 0.5, (CELLS_OF_DETECTOR, WIDTH))
        every["embeddings"][frame] = rng.normal(0, 1, (CELLS_OF_DETECTOR, EMBEDDING))
        places = rng.permutation(CELLS_OF_DETECTOR)
        for number, index in enumerate(scene.present(frame)):
            for twin in range(3):
                place = places[3 * number + twin]
                every["scores"][frame, place, index % CLASSES] = rng.uniform(0.45, 0.95) - 0.1 * twin
                every["kernels"][frame, place] = _place_kernel(scene, frame, index)
                every["boxes"][frame, place] = _box(scene, frame, index) + rng.normal(0, 0.005, 4)
                every["embeddings"][frame, place] = looks[index] + rng.normal(0, 0.15, EMBEDDING)
    every["scores"][[frame for frame in range(4, frames, 5) if frame % 3]] *= 0.1
    every["objectness"] = every["scores"].max(axis=2, keepdims=True)
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in CELLS)
    grid = np.stack(np.broadcast_arrays(x**2, y[:, None] ** 2, x, y[:, None], np.ones(CELLS)))
    place_features = np.broadcast_to(grid, (frames, PLACE, *CELLS)).astype(np.float32)
    known = {"stem": np.concatenate([every.pop("kernels"), every.pop("embeddings")], axis=2)}
    known |= {"class_tower": every["objectness"], "tower": every["boxes"][..., :2]}
    for name, cells in known.items():
        every.update(as_maps(name, cells))
    return {"mask_features": np.concatenate([scene.features, place_features], axis=1), **every}


def as_maps(name: str, cells: Array) -> dict[str, Array]:
    """What is known of all cells, (frames, A, C) → of each level (frames, C, h, w), by name."""
    maps, first = {}, 0
    for level, (height, width) in GRIDS.items():
        of_level = cells[:, first : first + height * width].transpose(0, 2, 1)
        maps[f"{name}{level}"] = np.ascontiguousarray(of_level.reshape(*of_level.shape[:2], height, width))
        first += height * width
    return maps


def _centre(scene: Scene, frame: int, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and radius (x, y) of an object, as fractions of the input."""
    cells = np.array(CELLS[::-1])
    return (scene.paths[frame, index][::-1] + 0.5) / cells, scene.radii[index][::-1] * 1.3 / cells


def _box(scene: Scene, frame: int, index: int) -> NDArray[np.float64]:
    centre, radius = _centre(scene, frame, index)
    return np.concatenate([centre - radius, centre + radius])


def _place_kernel(scene: Scene, frame: int, index: int) -> NDArray[np.float64]:
    """Answers to the object's features, most at its centre: 4 − ((x − cx) / rx)² − ((y − cy) / ry)²."""
    centre, radius = _centre(scene, frame, index)
    centre, squares = centre - 0.5, -1 / radius**2
    constant = 4 + (squares * centre**2).sum()
    learned = scene.own[index] - 0.7 * scene.background + scene.rng.normal(0, 0.1, WIDTH - PLACE)
    return np.concatenate([learned, squares, -2 * squares * centre, [constant]])


def crossings() -> NDArray[np.float64]:
    """Three objects; two of them, of one class, cross twice."""
    t = np.arange(FRAMES)
    first = np.stack([np.full(FRAMES, 7.0), 4 + 0.5 * t], axis=1)
    second = np.stack([np.full(FRAMES, 8.0), 28 - 0.5 * t], axis=1)
    third = np.stack([8 + 5 * np.sin(t / 8), 16 + 8 * np.cos(t / 8)], axis=1)
    nothing = np.full((FRAMES, 2), np.nan)
    return np.stack([first, nothing, third, nothing, second], axis=1)  # classes repeat after CLASSES


def exits() -> NDArray[np.float64]:
    """One leaves over the edge and returns, one vanishes for longer than tracks are kept, one stays."""
    t = np.arange(FRAMES)
    first = np.stack([np.full(FRAMES, 6.0), 16 + 22 * np.sin(t / 7)], axis=1)
    second = np.stack([np.full(FRAMES, 11.0), 8 + 0.1 * t], axis=1)
    second[6:42] = np.nan
    third = np.stack([np.full(FRAMES, 4.0), np.full(FRAMES, 25.0)], axis=1)
    third[20:29] = np.nan
    return np.stack([first, second, third], axis=1)


def counts() -> NDArray[np.float64]:
    """Nothing, then one object after the other up to seven, then nothing again."""
    paths = np.full((FRAMES, 7, 2), np.nan)
    for index in range(7):
        begin, end = 6 + 3 * index, 44 - 2 * index
        t = np.arange(begin, end)
        paths[begin:end, index] = np.stack([4 + 4 * (index % 3) + 0.02 * t, 3 + 4 * index + 0.04 * t], axis=1)
    return paths


def pan() -> NDArray[np.int64]:
    """Where a camera that jumps shows things, (frames, 2) cells (y, x) from their middle places."""
    return np.random.default_rng(5).integers((-1, -3), (2, 4), (FRAMES, 2))


def pans() -> NDArray[np.float64]:
    """Three of one class, and a camera that jumps: many come closer to a neighbour's place than their own."""
    paths = np.full((FRAMES, 9, 2), np.nan)
    for index in (0, 4, 8):  # classes repeat after CLASSES
        paths[:, index] = pan() + np.array([8, 8 + 2 * index])
    return paths


def panned_frames(turns: bool = False) -> NDArray[np.uint8]:
    """What that camera sees behind them, (frames, *INPUT, 3); it may turn and zoom, too."""
    margin = 8 * np.abs(pan()).max(axis=0)
    height, width = INPUT + 2 * margin
    coarse = np.random.default_rng(6).integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    corners = (margin - 8 * pan()).tolist()
    frames = [picture[y : y + INPUT[0], x : x + INPUT[1]] for y, x in corners]
    if turns:
        middle, size = (INPUT[1] / 2, INPUT[0] / 2), INPUT[::-1]
        motions = [
            cv2.getRotationMatrix2D(middle, 5 * np.sin(t), 1.1 + 0.1 * np.cos(t)) for t in range(FRAMES)
        ]
        frames = [cv2.warpAffine(frame, motion, size) for frame, motion in zip(frames, motions)]
    return np.stack(frames)


CLIPS = {
    "crossings": (crossings, (360, 640), (2.5, 3.0)),
    "exits": (exits, (250, 320), (2.0, 2.5)),
    "counts": (counts, (199, 501), (1.6, 1.8)),
}
