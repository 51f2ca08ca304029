"""Golden vectors: what the Python runtime makes of scripted clips and of a real artefact, for android_demo.

``python tests/android/golden.py FOLDER PART`` writes, each time anew and the same, part ``script``:

- ``clips/DRIVER/NAME/``: a network that is a script (``ScriptedArtefact``), its outputs for every frame as
  little-endian float32, and the runtime's results with each association and keyframe interval as JSON lines;
- ``frames/``: pictures as PNG with their network input;
- ``metadata.json``: broken metadata with the runtime's words;

and part ``real``, which needs the exporters: ``pictures/``; ``real/DRIVER/`` with ONNX files and what ONNX
Runtime makes of the pictures; ``metadata.tflite`` and ``metadata.pte``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from colours import write_colour_detector
from numpy.typing import NDArray
from scripted import (
    CELLS,
    CLASSES,
    CLIPS,
    FRAMES,
    INPUT,
    QUERIES,
    SLOTS,
    WIDTH,
    Array,
    ScriptedArtefact,
    dense_outputs,
    query_outputs,
    scripted_metadata,
)

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import parse_metadata
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sinks import JsonLines

ASSOCIATIONS = {
    "mobileinst": ("slots", "online", "appearance"),
    "mobileinst-dense": ("online", "appearance"),
}
OUTPUTS = {"mobileinst": query_outputs, "mobileinst-dense": dense_outputs}
INTERVALS = (1, 3, 5)
DENSE_NMS_IOU = 0.2  # one cell for each ellipse of the pictures
REAL_SCORE = {"mobileinst": 0.03, "mobileinst-dense": 0.3}  # random weights score 0.08


def write_clip(folder: Path, name: str, driver: str) -> None:
    """One clip with its results of every association and interval."""
    make, frame_size, radius = CLIPS[name]
    paths = make()
    outputs = OUTPUTS[driver](paths, np.tile(radius, (paths.shape[1], 1)), len(name))
    metadata = scripted_metadata(driver)
    folder.mkdir(parents=True)
    (folder / "clip.json").write_text(json.dumps({"frames": FRAMES, "size": frame_size}))
    (folder / "metadata.json").write_text(metadata)
    for output, values in outputs.items():
        values.astype("<f4").tofile(folder / f"{output}.f32")
    frame = np.zeros((*frame_size, 3), dtype=np.uint8)
    for association in ASSOCIATIONS[driver]:
        for interval in INTERVALS:
            artefact = ScriptedArtefact(outputs, metadata)
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

    shapes = {"mask_features": (WIDTH, *CELLS), "kernels": (QUERIES, WIDTH), "scores": (QUERIES, CLASSES)}
    nothing = {name: np.zeros((1, *shape), np.float32) for name, shape in shapes.items()}
    for height, width in [(720, 1280), (360, 640), (128, 256), (97, 301), (500, 333), (64, 64), (1080, 1920)]:
        coarse = rng.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        picture[height // 3 : height // 2] = rng.integers(0, 256, (1, width, 3), dtype=np.uint8)
        VideoSegmenter(Camera(nothing, scripted_metadata())).process(picture)
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


def export_queries(folder: Path) -> Path:
    """MobileInst with random weights."""
    from mobilevis.export import export_model
    from mobilevis.export.seeded import create_seeded

    name = "mobileinst-topformer-tiny"
    report = export_model(create_seeded(name), folder, ["onnx"], INPUT, name=name)
    artefact = folder / report.artefacts[0].path
    return artefact.rename(folder / "artefact")


MODELS = {"mobileinst": export_queries, "mobileinst-dense": write_colour_detector}


def write_real(folder: Path, pictures: list[NDArray[np.uint8]], driver: str) -> None:
    """A network on an engine, end to end from pictures."""
    folder.mkdir(parents=True)
    artefact = MODELS[driver](folder)
    for association in ASSOCIATIONS[driver]:
        own = {"birth_score": REAL_SCORE[driver]} if association == "appearance" else {}
        if driver == "mobileinst-dense":
            own["nms_iou"] = DENSE_NMS_IOU
        for interval in INTERVALS:
            segmenter = VideoSegmenter(
                artefact,
                keyframe_interval=interval,
                association=association,
                score_threshold=REAL_SCORE[driver],
                **own,
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


def write_pte(file: Path) -> None:
    """A .pte program with metadata and an entry of two inputs."""
    import torch
    from executorch.exir import to_edge

    class Entry(torch.nn.Module):
        def forward(self, kernels: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            return kernels[:, :4] * index

    inputs = torch.zeros(1, SLOTS, WIDTH), torch.zeros(1, dtype=torch.int64)
    program = torch.export.export(Entry(), inputs)
    edge = to_edge({"segment": program}, constant_methods={"metadata": scripted_metadata()})
    file.write_bytes(edge.to_executorch().buffer)


def main(folder: Path, part: str) -> None:
    """Write a part."""
    if part == "real":
        pictures = moving_pictures()
        (folder / "pictures").mkdir(parents=True)
        for index, picture in enumerate(pictures):
            file = folder / "pictures" / f"{index:02d}.png"
            cv2.imwrite(str(file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        for driver in MODELS:
            write_real(folder / "real" / driver, pictures, driver)
        write_tflite(folder / "metadata.tflite")
        write_pte(folder / "metadata.pte")
        return
    for driver in OUTPUTS:
        for name in CLIPS:
            write_clip(folder / "clips" / driver / name, name, driver)
    write_frames(folder / "frames")
    write_metadata(folder / "metadata.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
