"""Golden vectors: what the Python runtime makes of scripted clips and of a real artefact, for android_demo.

``python tests/android/golden.py FOLDER PART`` writes, each time anew and the same, part ``script``:

- ``clips/DRIVER/NAME/``, with the ``frames.rgb`` of ``pans`` (the others are black), and
  ``clips/DRIVER-propagate/NAME/`` with the entry ``propagate``: a network that is a script
  (``ScriptedArtefact``), its outputs for every frame as little-endian float32, and the runtime's results with
  each association, keyframe interval and policy as JSON lines;
- ``frames/``: pictures as PNG with their network input;
- ``patches/``: random maps of a detector, some cells, what ``decode`` and ``describe`` take of them in each
  run, and what these say;
- ``metadata.json``: broken metadata with the runtime's words;

and part ``real``, which needs the exporters, what ``networks.write_networks`` says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from clips import CLIPS, panned_frames, pans
from combinations import combinations, drifting, write_results
from numpy.typing import NDArray
from scripted import (
    CELLS,
    CLASSES,
    FRAMES,
    QUERIES,
    WIDTH,
    Array,
    ScriptedArtefact,
    dense_outputs,
    query_outputs,
    scripted_metadata,
)

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import parse_metadata
from mobilevis.runtime.patches import CellDescriber, CellEntry, CellScorer
from mobilevis.runtime.segmenter import VideoSegmenter

Images = NDArray[np.uint8]
OUTPUTS = {"mobileinst": query_outputs, "mobileinst-dense": dense_outputs}
PROPAGATED = "exits"  # the clip that is propagated between keyframes too
# Corners, edges and middles of every level, more of the finest than a run takes.
PATCH_GRIDS = {3: (9, 10), 4: (3, 8), 5: (1, 2)}
LIKELY = (0, 5, 9, 19, 33, 34, 44, 50, 71, 80, 88, 89, 90, 97, 99, 102, 113, 114, 115)
CHOSEN = (89, 114, 33, 0, 102, 113, 44, 85, 90, 34, 115, 40, 10)


def write_clip(folder: Path, name: str, driver: str, propagates: bool) -> None:
    """One clip with its results of every association, interval and policy."""
    make, frame_size, radius = CLIPS[name]
    paths = make()
    outputs = OUTPUTS[driver](paths, np.tile(radius, (paths.shape[1], 1)), len(name))
    frames = np.zeros((FRAMES, *frame_size, 3), dtype=np.uint8)
    write_results_of(folder, outputs, scripted_metadata(driver, propagates), frames)


def write_pans(folder: Path, propagates: bool) -> None:
    """A crowd that looks alike before a camera that jumps; one that is propagated turns and zooms, too."""
    paths, frames = pans(), panned_frames(turns=propagates)
    outputs = dense_outputs(paths, np.full((paths.shape[1], 2), 2.0), 4, is_alike=True)
    write_results_of(folder, outputs, scripted_metadata("mobileinst-dense", propagates), frames)
    frames.tofile(folder / "frames.rgb")


def write_results_of(folder: Path, outputs: dict[str, Array], metadata: str, frames: Images) -> None:
    """A clip's outputs, metadata and results."""
    folder.mkdir(parents=True)
    (folder / "clip.json").write_text(json.dumps({"frames": FRAMES, "size": frames.shape[1:3]}))
    (folder / "metadata.json").write_text(metadata)
    for output, values in outputs.items():
        values.astype("<f4").tofile(folder / f"{output}.f32")
    for file, options in (*combinations(json.loads(metadata)["driver"]), *drifting()):
        segmenter = VideoSegmenter(ScriptedArtefact(outputs, metadata), **options)
        write_results(folder / f"{file}.jsonl", segmenter, frames)


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

    shapes = {"mask_features": (WIDTH, *CELLS), "kernels": (QUERIES, WIDTH), "scores": (QUERIES, CLASSES)}
    nothing = {name: np.zeros((1, *shape), np.float32) for name, shape in shapes.items()}
    for height, width in [(720, 1280), (360, 640), (128, 256), (97, 301), (500, 333), (64, 64), (1080, 1920)]:
        coarse = rng.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        picture[height // 3 : height // 2] = rng.integers(0, 256, (1, width, 3), dtype=np.uint8)
        VideoSegmenter(Camera(nothing, scripted_metadata())).process(picture)
        cv2.imwrite(str(folder / f"{height}x{width}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        seen[-1].astype("<f4").tofile(folder / f"{height}x{width}.f32")


def write_patches(folder: Path) -> None:
    """What the runtime hands to ``decode`` and ``describe``, and what it makes of their answers."""
    text = scripted_metadata("mobileinst-dense", grids=PATCH_GRIDS)
    rng = np.random.default_rng(8)
    encoded = parse_metadata(text, "script").entries["encode"].outputs
    known = {t.name: rng.normal(size=t.shape).astype(np.float32) for t in encoded}
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(text)
    (folder / "cells.json").write_text(json.dumps({"decode": LIKELY, "describe": CHOSEN}))
    write_tensors(folder / "known", known)

    class Listener(ScriptedArtefact):
        runs = 0

        def run(self, entry: str, inputs: dict[str, Array]) -> dict[str, Array]:
            write_tensors(folder / f"{entry}-{self.runs}", inputs)
            self.runs += 1
            return super().run(entry, inputs)

    for make, cells, rows in ((CellScorer, LIKELY, "objectness"), (CellDescriber, CHOSEN, "boxes")):
        reader: CellEntry = make(Listener({}, text))
        write_tensors(folder / "said", reader.run(known, np.array(cells), known[rows][0, list(cells)]))


def write_tensors(folder: Path, tensors: Mapping[str, Array]) -> None:
    """Each as little-endian float32."""
    folder.mkdir(exist_ok=True)
    for name, values in tensors.items():
        values.astype("<f4").tofile(folder / f"{name}.f32")


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
        {"input_size": [64, 64]},
        {"model": 3},
        {"driver": None},
        {"precision": 1},
        {"options": []},
        {"digests": {"file": 3}},
        {"tools": {"a": 1}},
        {"checkpoint_sha256": 5},
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


def write_script(folder: Path) -> None:
    """The part that needs no exporters."""
    for driver in OUTPUTS:
        for name in CLIPS:
            write_clip(folder / "clips" / driver / name, name, driver, propagates=False)
        whole = folder / "clips" / f"{driver}-propagate"
        write_clip(whole / PROPAGATED, PROPAGATED, driver, propagates=True)
    write_pans(folder / "clips" / "mobileinst-dense" / "pans", propagates=False)
    write_pans(folder / "clips" / "mobileinst-dense-propagate" / "pans", propagates=True)
    write_frames(folder / "frames")
    write_patches(folder / "patches")
    write_metadata(folder / "metadata.json")


def main(folder: Path, part: str) -> None:
    """Write a part."""
    if part == "script":
        write_script(folder)
    else:
        from networks import write_networks

        write_networks(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
