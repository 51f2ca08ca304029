"""Networks in every format, and what their engines make of pictures: the part of golden.py that exports."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from clips import CLIPS
from colours import ColourDetector
from combinations import ASSOCIATIONS, combinations, write_results
from executorch.exir import to_edge
from scripted import CELLS, INPUT, SLOTS, WIDTH, scripted_metadata

from mobilevis.export import export_model
from mobilevis.models.entries import StreamingModel
from mobilevis.models.weights.bundled import bundled_checkpoint
from mobilevis.models.weights.checkpoint import load_checkpoint
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.formats import FORMATS
from mobilevis.runtime.segmenter import VideoSegmenter

# The toy weights are far from sure of these pictures; one cell is enough for each ellipse.
OPTIONS = {
    "mobileinst": {"score_threshold": 0.2},
    "mobileinst-dense": {"score_threshold": 0.3, "nms_iou": 0.2},
}
# One for each object: of two alike, the last bits say which is which.
PALETTE = (
    (230, 40, 30),
    (20, 210, 60),
    (40, 60, 240),
    (230, 90, 30),
    (60, 210, 20),
    (100, 40, 240),
    (230, 40, 90),
)
GATE_FRAMES = slice(20, 30)  # of the first clip, where all its objects are


def draw_clip(name: str) -> Iterator[Image]:
    """The ellipses of a scripted clip in colours over a soft background."""
    make, (height, width), radius = CLIPS[name]
    coarse = np.random.default_rng(3).integers(40, 200, (8, 14, 3), dtype=np.uint8)
    background = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    scale = np.array([height, width]) / CELLS
    rows, columns = (int(side) for side in radius * scale)
    for t, centres in enumerate(make()):
        picture = background.copy()
        for k, centre in enumerate(centres):
            if not np.isnan(centre[0]):
                y, x = (int(value) for value in (centre + 0.5) * scale)
                colour = PALETTE[k]
                cv2.ellipse(picture, (x, y), (columns, rows), 3 * t, 0, 360, colour, -1, cv2.LINE_AA)
        yield picture


def load_toy() -> StreamingModel:
    """MobileInst with learned queries, trained on moving shapes."""
    path = bundled_checkpoint("mobileinst-topformer-tiny-synth")
    assert path is not None
    return load_checkpoint(path).model


MODELS = {"mobileinst": load_toy, "mobileinst-dense": ColourDetector}


def write_network(folder: Path, driver: str) -> None:
    """A driver's artefacts, traced once, and what the engine of each makes of each clip."""
    clips = {name: list(draw_clip(name)) for name in CLIPS}
    frames = next(iter(clips.values()))[GATE_FRAMES]
    report = export_model(MODELS[driver](), folder, list(FORMATS), INPUT, name=driver, frames=frames)
    for written in report.artefacts:
        home = folder / written.format
        home.mkdir()
        artefact = home / FORMATS[written.format].artefact_name("artefact")
        (folder / written.path).rename(artefact)
        for clip, pictures in clips.items():
            (home / clip).mkdir()
            write_clip(home / clip, artefact, driver, pictures)


def write_clip(folder: Path, artefact: Path, driver: str, pictures: Sequence[Image]) -> None:
    """What an artefact's engine makes of a clip, in every combination."""
    for name, options in combinations(driver):
        if options["association"] == "appearance":
            options["birth_score"] = OPTIONS[driver]["score_threshold"]
        segmenter = VideoSegmenter(artefact, **OPTIONS[driver], **options)
        write_results(folder / f"{name}.jsonl", segmenter, pictures)


def write_pictures(folder: Path) -> None:
    """The clips as PNG."""
    for name in CLIPS:
        (folder / name).mkdir(parents=True)
        for index, picture in enumerate(draw_clip(name)):
            cv2.imwrite(str(folder / name / f"{index:02d}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def write_tflite(file: Path) -> None:
    """A .tflite file with metadata and nothing to run."""
    text = np.frombuffer(scripted_metadata().encode(), dtype=np.uint8)
    model = schema.ModelT()
    model.buffers = [schema.BufferT(), schema.BufferT(data=text)]
    model.metadata = [schema.MetadataT("other", 0), schema.MetadataT("mobilevis", 1)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    file.write_bytes(builder.Output())


class Product(torch.nn.Module):
    """An entry of two inputs, one of them no float."""

    def forward(self, kernels: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """→ (1, 4, WIDTH)."""
        return kernels[:, :4] * index


def write_pte(file: Path) -> None:
    """A .pte program with metadata and one entry."""
    inputs = torch.zeros(1, SLOTS, WIDTH), torch.zeros(1, dtype=torch.int64)
    program = torch.export.export(Product(), inputs)
    edge = to_edge({"segment": program}, constant_methods={"metadata": scripted_metadata()})
    file.write_bytes(edge.to_executorch().buffer)


def write_networks(folder: Path) -> None:
    """``pictures/CLIP/``, ``real/DRIVER/FORMAT/`` with artefact and results, and two files of metadata."""
    write_pictures(folder / "pictures")
    # The exports of a driver are minutes of one core; as in the tests, garbage is searched for less often.
    context = get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=gc.set_threshold, initargs=(100_000,)) as pool:
        jobs = [pool.submit(write_network, folder / "real" / driver, driver) for driver in ASSOCIATIONS]
        write_tflite(folder / "metadata.tflite")
        write_pte(folder / "metadata.pte")
        for job in jobs:
            job.result()
