"""Networks that are a script: the ellipses of clips.py, as a network would see them, for golden.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.metadata import parse_metadata

Array = NDArray[np.float32]
Shapes = dict[str, tuple[int, ...]]

INPUT = (128, 256)
CELLS = (16, 32)  # of the mask features
WIDTH = 16  # of a kernel
QUERIES, SLOTS, CLASSES = 14, 8, 4
FRAMES = 48


PLACE = 5  # of a dense kernel: factors of x², y², x, y and 1
CELLS_OF_DETECTOR, EMBEDDING = 40, 8
Grids = Mapping[int, tuple[int, int]]
GRIDS: Grids = {3: (4, 8), 4: (2, 3), 5: (1, 2)}  # of these cells, by level
STEM = WIDTH + EMBEDDING + CLASSES  # channels: a cell's kernel, embedding and scores
TOWER = 2
SCORED, DESCRIBED = 5, 3  # cells of a level that a run takes: a few, so that some frames need several runs


def scripted_metadata(driver: str = "mobileinst", propagates: bool = False, grids: Grids = GRIDS) -> str:
    """The metadata of ``ScriptedArtefact``, as JSON; with or without the entry ``propagate``."""

    def tensors(**shapes: tuple[int, ...]) -> list[dict[str, Any]]:
        return [{"name": name, "shape": list(s), "dtype": "float32"} for name, s in shapes.items()]

    features = {"mask_features": (1, WIDTH, *CELLS)}
    masks = (1, SLOTS, 2 * CELLS[0], 2 * CELLS[1])
    entries = {
        "encode": {"inputs": tensors(frame=(1, 3, *INPUT)), "outputs": tensors(**features)},
        "decode": {
            "inputs": tensors(**features),
            "outputs": tensors(kernels=(1, QUERIES, WIDTH), scores=(1, QUERIES, CLASSES)),
        },
        "segment": {
            "inputs": tensors(kernels=(1, SLOTS, WIDTH), **features),
            "outputs": tensors(mask_logits=masks),
        },
    }
    if driver == "mobileinst-dense":
        entries["encode"]["outputs"] += tensors(**_located(grids))
        for entry, (given, said) in _cell_entries().items():
            entries[entry] = {"inputs": tensors(**given), "outputs": tensors(**said)}
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


def _located(grids: Grids) -> Shapes:
    """What ``encode`` says of a detector's cells."""
    count = sum(height * width for height, width in grids.values())
    maps = {f"stem{level}": (1, *grid, STEM) for level, grid in grids.items()}
    maps |= {f"tower{level}": (1, *grid, TOWER) for level, grid in grids.items()}
    return {"boxes": (1, count, 4), "objectness": (1, count, 1), **maps}


def _cell_entries() -> dict[str, tuple[Shapes, Shapes]]:
    """What is read of some cells: each entry's inputs and outputs."""
    levels = len(GRIDS)
    scored, described = levels * SCORED, levels * DESCRIBED
    likely = {
        "likely_objectness": (1, scored, 1),
        "likely_inside": (SCORED, levels, 5, 5),
        "likely_stems": (SCORED, 5, 5, levels * STEM),
    }
    chosen = {
        "chosen_boxes": (1, described, 4),
        "chosen_inside": (DESCRIBED, levels, 7, 7),
        "chosen_stems": (DESCRIBED, 7, 7, levels * STEM),
        "chosen_towers": (DESCRIBED, 3, 3, levels * TOWER),
    }
    return {
        "decode": (likely, {"scores": (1, scored, CLASSES)}),
        "describe": (chosen, {"kernels": (1, described, WIDTH), "embeddings": (1, described, EMBEDDING)}),
    }


class ScriptedArtefact:
    """Stands where a network would: what ``encode`` says of each frame is given, and what ``decode`` does.

    Of a detector's cells, ``decode`` and ``describe`` say what the stems hold of each. ``propagate`` says the
    mean of the frame's own mask features and the keyframe's. ``segment`` adds its products one by one. So
    another language can have the same numbers to the last bit.

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
        if "likely_stems" in inputs:
            return {"scores": _middles(inputs["likely_stems"])[..., WIDTH + EMBEDDING :]}
        if entry == "describe":
            own = _middles(inputs["chosen_stems"])
            return {"kernels": own[..., :WIDTH], "embeddings": own[..., WIDTH : WIDTH + EMBEDDING]}
        self.frame += entry in ("encode", "propagate")
        if entry == "propagate":
            own = self._outputs["mask_features"][self.frame]
            return {"mask_features": (own[None] + inputs["keyframe_features"]) * np.float32(0.5)}
        names = [tensor.name for tensor in self.metadata.entries[entry].outputs]
        return {name: self._outputs[name][self.frame][None] for name in names}


def _middles(stems: Array) -> Array:
    """Stems around cells of each level, (P, n, n, 3·C) → those of the cells themselves, (1, 3·P, C)."""
    middle = stems.shape[1] // 2
    return stems[:, middle, middle].reshape(1, -1, STEM)


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
    stems = [every.pop(name) for name in ("kernels", "embeddings", "scores")]
    every |= _as_maps("stem", np.concatenate(stems, axis=2)) | _as_maps("tower", every["boxes"][..., :TOWER])
    return {"mask_features": np.concatenate([scene.features, place_features], axis=1), **every}


def _as_maps(name: str, cells: Array) -> dict[str, Array]:
    """What is known of all cells, (frames, A, C) → of each level (frames, h, w, C), by name."""
    maps, first = {}, 0
    for level, (height, width) in GRIDS.items():
        of_level = cells[:, first : first + height * width]
        maps[f"{name}{level}"] = of_level.reshape(len(cells), height, width, -1)
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
