"""Golden vectors: what the Python runtime makes of scripted clips and of a real artefact, for android_demo.

``python tests/android/golden.py FOLDER PART`` writes, each time anew and the same, part ``script``:

- ``clips/NAME/``: a network that is a script (``ScriptedArtefact``), its outputs for every frame as
  little-endian float32, and the runtime's results with each association and keyframe interval as JSON lines;
- ``frames/``: pictures as PNG with their network input;
- ``metadata.json``: broken metadata with the runtime's words;

and part ``real``, which needs the exporters: ``real/`` with an ONNX export, pictures and what ONNX Runtime
makes of them; ``metadata.tflite``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import parse_metadata
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sinks import JsonLines

Array = NDArray[np.float32]

INPUT = (128, 256)
CELLS = (16, 32)  # of the mask features
WIDTH = 16  # of a kernel
QUERIES, SLOTS, CLASSES = 14, 8, 4
INTERVALS = (1, 3, 5)
ASSOCIATIONS = ("slots", "online", "appearance")
FRAMES = 48
REAL_SCORE = 0.03  # random weights score 0.08


def scripted_metadata() -> str:
    """The metadata of ``ScriptedArtefact``, as JSON."""

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
    raw = {
        "schema": 1,
        "model": "scripted",
        "driver": "mobileinst",
        "entries": entries,
        "input_size": INPUT,
        "classes": [{"id": 10 * i + 1, "name": name} for i, name in enumerate(["ant", "bee", "é", "d"])],
        "options": {"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
    }
    return json.dumps(raw)


class ScriptedArtefact:
    """Stands where a network would: each frame's features, kernels and scores are given.

    All values are multiples of powers of two and small, so that ``segment``'s sums are exact in any order.
    """

    engine = "script"
    path = Path("script")

    def __init__(self, features: Array, kernels: Array, scores: Array) -> None:
        self.metadata = parse_metadata(scripted_metadata(), "script")
        self._features, self._kernels, self._scores = features, kernels, scores
        self.frame = -1

    def run(self, entry: str, inputs: dict[str, Array]) -> dict[str, Array]:
        """Run an entry; ``encode`` moves to the next frame."""
        if entry == "encode":
            self.frame += 1
            return {"mask_features": self._features[self.frame][None]}
        if entry == "decode":
            return {"kernels": self._kernels[self.frame][None], "scores": self._scores[self.frame][None]}
        logits = np.einsum("sd,dyx->syx", inputs["kernels"][0], inputs["mask_features"][0])
        return {"mask_logits": logits.repeat(2, axis=1).repeat(2, axis=2)[None]}


def on_grid(values: NDArray[Any], steps: int) -> Array:
    """Rounded to multiples of 1 / steps."""
    return (np.round(values * steps) / steps).astype(np.float32)


class Clip:
    """Ellipses that move over a background, one embedding each, as a network would see them.

    Args:
        paths: (frames, objects, 2) centres (y, x) in cells; NaN where an object is not there.
        radii: (objects, 2) in cells.
        seed: of embeddings and noise.
    """

    def __init__(self, paths: NDArray[np.float64], radii: NDArray[np.float64], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        frames, objects = paths.shape[:2]
        # Orthogonal embeddings: an object's kernel answers to its own features alone.
        basis = np.linalg.qr(self._rng.normal(size=(WIDTH, WIDTH)))[0]
        self._own, self._background = on_grid(basis[:objects] * 2, 8), on_grid(basis[-1] * 2, 8)
        self.features = np.stack([self._see(centres, radii) for centres in paths])
        self.kernels = np.zeros((frames, QUERIES, WIDTH), dtype=np.float32)
        self.scores = np.zeros((frames, QUERIES, CLASSES), dtype=np.float32)
        for frame in range(frames):
            self._query(frame, ~np.isnan(paths[frame, :, 0]))

    def _see(self, centres: NDArray[np.float64], radii: NDArray[np.float64]) -> Array:
        y, x = np.mgrid[: CELLS[0], : CELLS[1]]
        picture = np.broadcast_to(self._background[:, None, None], (WIDTH, *CELLS)).astype(np.float64).copy()
        for centre, radius, own in zip(centres, radii, self._own):
            if np.isnan(centre[0]):
                continue
            distance = np.hypot((y - centre[0]) / radius[0], (x - centre[1]) / radius[1])
            share = np.clip((1.2 - distance) * 2, 0, 1)
            picture = picture * (1 - share) + own[:, None, None] * share
        return on_grid(picture + self._rng.normal(0, 0.03, picture.shape), 32)

    def _query(self, frame: int, present: NDArray[np.bool_]) -> None:
        """Two queries an object, in places that change, and some that are nothing."""
        rng = self._rng
        kernels = rng.normal(0, 0.3, (QUERIES, WIDTH)) - self._background * 0.5
        scores = rng.uniform(0, 0.12, (QUERIES, CLASSES))
        places = rng.permutation(QUERIES)
        for number, index in enumerate(np.flatnonzero(present)):
            for twin in range(2 if 2 * number + 1 < QUERIES else 1):
                place = places[(2 * number + twin) % QUERIES]
                noise = rng.normal(0, 0.15, WIDTH)
                kernels[place] = 3 * self._own[index] - 2 * self._background + noise
                scores[place, index % CLASSES] = rng.uniform(0.45, 0.95) - 0.2 * twin
        self.kernels[frame], self.scores[frame] = on_grid(kernels, 32), scores


def crossings() -> NDArray[np.float64]:
    """Three objects; two of them cross twice."""
    t = np.arange(FRAMES)
    first = np.stack([np.full(FRAMES, 7.0), 4 + 0.5 * t], axis=1)
    second = np.stack([np.full(FRAMES, 8.0), 28 - 0.5 * t], axis=1)
    third = np.stack([8 + 5 * np.sin(t / 8), 16 + 8 * np.cos(t / 8)], axis=1)
    return np.stack([first, second, third], axis=1)


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


CLIPS = {
    "crossings": (crossings, (360, 640), (2.5, 3.0)),
    "exits": (exits, (250, 320), (2.0, 2.5)),
    "counts": (counts, (199, 501), (1.6, 1.8)),
}


def write_clip(folder: Path, name: str) -> None:
    """One clip with its results of every association and interval."""
    make, frame_size, radius = CLIPS[name]
    paths = make()
    clip = Clip(paths, np.tile(radius, (paths.shape[1], 1)), seed=len(name))
    folder.mkdir(parents=True)
    (folder / "clip.json").write_text(json.dumps({"frames": FRAMES, "size": frame_size}))
    (folder / "metadata.json").write_text(scripted_metadata())
    for part in ("features", "kernels", "scores"):
        getattr(clip, part).astype("<f4").tofile(folder / f"{part}.f32")
    frame = np.zeros((*frame_size, 3), dtype=np.uint8)
    for association in ASSOCIATIONS:
        for interval in INTERVALS:
            artefact = ScriptedArtefact(clip.features, clip.kernels, clip.scores)
            segmenter = VideoSegmenter(artefact, keyframe_interval=interval, association=association)
            results = [segmenter.process(frame) for _ in range(FRAMES)]
            write_results(folder / f"{association}-{interval}.jsonl", segmenter, results)


def write_results(file: Path, segmenter: VideoSegmenter, results: list[Any]) -> None:
    """Results as the runtime's own JSON lines."""
    sink = JsonLines(file, segmenter.metadata.classes)
    for result in results:
        sink.write(np.zeros((1, 1, 3), dtype=np.uint8), result)
    sink.close()


def write_frames(folder: Path) -> None:
    """Pictures of awkward sizes with the network input that the runtime makes of them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    seen: list[Array] = []

    class Camera(ScriptedArtefact):
        def run(self, entry: str, inputs: dict[str, Array]) -> dict[str, Array]:
            if entry == "encode":
                seen.append(inputs["frame"].copy())
            return super().run(entry, inputs)

    empty = np.zeros((1, WIDTH, *CELLS), np.float32)
    none = np.zeros((1, QUERIES, WIDTH), np.float32), np.zeros((1, QUERIES, CLASSES), np.float32)
    for height, width in [(720, 1280), (360, 640), (128, 256), (97, 301), (500, 333), (64, 64), (1080, 1920)]:
        coarse = rng.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        picture[height // 3 : height // 2] = rng.integers(0, 256, (1, width, 3), dtype=np.uint8)
        VideoSegmenter(Camera(empty, *none)).process(picture)
        cv2.imwrite(str(folder / f"{height}x{width}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        seen[-1].astype("<f4").tofile(folder / f"{height}x{width}.f32")


def write_metadata(file: Path) -> None:
    """Broken metadata with the line that the runtime says of each."""
    good = json.loads(scripted_metadata())
    texts = [
        "",
        "{",
        "[1,",
        '{"a" 1}',
        '{"a": 1,}',
        '{"a": 1} x',
        "nul",
        '"abc',
        '{"a": tru}',
        '{"a": "\\q"}',
    ]
    texts += ['{\n "a": \x01}', "-", "[01]", '{"schema": 1, "b": "\\u12"}', "{'a': 1}"]
    for key in good:
        texts.append(json.dumps({k: v for k, v in good.items() if k != key}))
    for changes in (
        {"schema": 2},
        {"schema": "1"},
        {"surplus": 1},
        {"resize": "stretch"},
        {"color_order": "BGR"},
        {"entries": {}},
        {"input_size": [0, 256]},
        {"input_size": [128]},
        {"input_size": [128, 256, 3]},
    ):
        texts.append(json.dumps({**good, **changes}))
    for change in (
        {"dtype": "int8"},
        {"shape": []},
        {"shape": [1, 0]},
        {"shape": [1, -3]},
        {"shape": [1 << 29]},
    ):
        broken = json.loads(json.dumps(good))
        broken["entries"]["encode"]["inputs"][0].update(change)
        texts.append(json.dumps(broken))
    broken = json.loads(json.dumps(good))
    del broken["entries"]["encode"]["inputs"][0]["shape"]
    texts.append(json.dumps(broken))
    file.write_text(json.dumps([{"text": text, "says": _words(text)} for text in texts if _words(text)]))


def _words(text: str) -> str:
    try:
        parse_metadata(text, "model.tflite")
    except UserError as error:
        return str(error)
    return ""


def moving_pictures(count: int = 42) -> list[NDArray[np.uint8]]:
    """Coloured ellipses that move over a background, cross and leave the frame, (240, 427, 3) uint8 RGB."""
    height, width = 240, 427
    coarse = np.random.default_rng(3).integers(40, 200, (8, 14, 3), dtype=np.uint8)
    background = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    pictures = []
    for t in range(count):
        picture = background.copy()
        for k, (colour, radius) in enumerate([((230, 40, 30), 40), ((20, 210, 60), 30), ((40, 60, 240), 25)]):
            x = int(width / 2 + width / 2 * np.sin(t / 9 + 2 * k))
            y = int(height * (0.3 + 0.2 * k) + 10 * np.cos(t / 5 + k))
            axes = (radius, int(radius * 0.7))
            cv2.ellipse(picture, (x, y), axes, 10 * t, 0, 360, colour, -1, cv2.LINE_AA)
        pictures.append(picture)
    return pictures


def write_real(folder: Path) -> None:
    """A real network with random weights, end to end from pictures."""
    from mobilevis.export import export_model
    from mobilevis.export.seeded import create_seeded

    name = "mobileinst-topformer-tiny"
    report = export_model(create_seeded(name), folder, ["onnx"], INPUT, name=name)
    artefact = folder / report.artefacts[0].path
    artefact.rename(folder / "artefact")
    pictures = moving_pictures()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index:02d}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    for association in ASSOCIATIONS:
        births = {"birth_score": REAL_SCORE} if association == "appearance" else {}
        for interval in INTERVALS:
            segmenter = VideoSegmenter(
                folder / "artefact",
                keyframe_interval=interval,
                association=association,
                score_threshold=REAL_SCORE,
                **births,
            )
            results = [segmenter.process(picture) for picture in pictures]
            write_results(folder / f"{association}-{interval}.jsonl", segmenter, results)


def write_tflite(file: Path) -> None:
    """A .tflite file with metadata and nothing to run."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    text = np.frombuffer(scripted_metadata().encode(), dtype=np.uint8)
    model = schema.ModelT()
    model.buffers = [schema.BufferT(), schema.BufferT(data=text)]
    model.metadata = [schema.MetadataT("other", 0), schema.MetadataT("mobilevis", 1)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    file.write_bytes(builder.Output())


def main(folder: Path, part: str) -> None:
    """Write a part."""
    if part == "real":
        write_real(folder / "real")
        write_tflite(folder / "metadata.tflite")
        return
    for name in CLIPS:
        write_clip(folder / "clips" / name, name)
    write_frames(folder / "frames")
    write_metadata(folder / "metadata.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
