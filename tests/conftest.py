"""A small streaming model that is no MobileInst: what must hold for any model is tested with it."""

from __future__ import annotations

import os

# As many processes as cores run the tests: a second thread in each, or in what they start, only spins.
# Read when NumPy and PyTorch are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from torch import Tensor, nn

from mobilevis.models.entries import Entry, Streaming, StreamingModel
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.masks import logit
from mobilevis.runtime.results import FrameResult, Instance
from tests.exports import ExportCache, by_engine

if TYPE_CHECKING:
    from mobilevis.export.report import ExportReport

TOY_SIZE = (64, 96)

# A busy machine is no fault of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class ToyModel(StreamingModel):
    """Two entries: ``look`` at a frame, then ``paint`` the masks of the client's queries.

    Both entries use ``shared``, so a file that stores weights once holds it once.
    """

    driver = "toy"
    size_multiple = 32
    num_classes = 3
    num_queries = 4

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1)
        )
        self.shared = nn.Linear(16, 16)
        self.classify = nn.Linear(16, 3)

    def look(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        features = self.stem((frame - 128.0) * (1 / 64.0))
        pooled = nn.functional.avg_pool2d(features, 16, 16, count_include_pad=False)
        return features, self.shared(pooled.flatten(2).transpose(1, 2))

    def paint(self, queries: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = features.shape[-2:]
        queries = self.shared(queries)
        masks = torch.bmm(queries, features.flatten(2)).view(1, -1, height, width)
        return masks, self.classify(queries).sigmoid(), queries

    def build_streaming(self, input_size: tuple[int, int], max_instances: int) -> Streaming:
        height, width = input_size
        features = {"features": (1, 16, height // 4, width // 4)}
        cells = (height // 64) * (width // 64)
        queries = {"queries": (1, 4, 16)}
        entries = {
            "look": Entry("look", {"frame": (1, 3, height, width)}, {**features, "summary": (1, cells, 16)}),
            "paint": Entry(
                "paint",
                {**queries, **features},
                {"masks": (1, 4, height // 4, width // 4), "scores": (1, 4, 3), "next_queries": (1, 4, 16)},
            ),
        }
        return Streaming(entries, {"max_instances": max_instances})


class ToyDriver:
    """Carries the queries from frame to frame; a query is a track."""

    delay = 0

    def __init__(self, artefact: Artefact, options: InstanceOptions) -> None:
        self._artefact = artefact
        self.options = options
        self.reset()

    def reset(self) -> None:
        self._index = 0
        self._queries = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 4, 16)

    def flush(self) -> list[FrameResult]:
        return []

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        tensor = np.ascontiguousarray(frame.transpose(2, 0, 1)[None], dtype=np.float32)
        features = self._artefact.run("look", {"frame": tensor})["features"]
        painted = self._artefact.run("paint", {"queries": self._queries, "features": features})
        self._queries = self._queries + 0.1 * painted["next_queries"]
        size = frame.shape[:2]
        instances = []
        for track, (logits, scores) in enumerate(zip(painted["masks"][0], painted["scores"][0]), start=1):
            mask = np.kron(logits > logit(self.options.mask_threshold), np.ones((4, 4), dtype=np.bool_))
            if scores.max() >= self.options.score_threshold and mask.any():
                box = (0, 0, size[1], size[0])
                instances.append(Instance(track, int(scores.argmax()), float(scores.max()), box, mask, size))
        result = FrameResult(self._index, (size[0], size[1]), tuple(instances), is_keyframe=True)
        self._index += 1
        return [result]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data-root",
        type=Path,
        help="folder with real data (coco_tiny/, weights/yolox_nano.onnx); tests that need it skip without",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a worker that took the last of them would end minutes after the others."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What was imported is not searched for garbage: a model's lowering takes 40 s instead of 46.

    Python searches at each 700 objects. What exporters make stays until they are done: a tenth of the time to
    lower EfficientVIS, which is 83 s, goes into searching it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 5, 2)


@pytest.fixture(scope="session")
def data_root(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Name of a real data set → its folder; skips where --data-root does not lead to it."""

    def find(name: str) -> Path:
        root = pytestconfig.getoption("--data-root")
        if root is None or not (root / name).is_dir():
            pytest.skip(f"give --data-root with {name}/ in it")
        return Path(root / name)

    return find


@pytest.fixture(scope="session")
def toy_model() -> ToyModel:
    torch.manual_seed(0)
    return ToyModel().eval()


@pytest.fixture(scope="session")
def toy_driver() -> Iterator[None]:
    """Make the toy's driver known to the runtime."""
    from mobilevis.runtime import drivers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "DRIVERS", {**drivers.DRIVERS, "toy": (ToyDriver, InstanceOptions)})
        yield


@pytest.fixture(scope="session")
def toy_frames() -> list[NDArray[np.uint8]]:
    """Ten frames, as many as the parity gate needs."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*TOY_SIZE, 3), dtype=np.uint8) for _ in range(10)]


@pytest.fixture(scope="session")
def toy_export(
    toy_model: ToyModel, toy_frames: list[NDArray[np.uint8]], toy_driver: None, exports: ExportCache
) -> tuple[Path, ExportReport]:
    """The toy in every format: (output folder, report)."""
    from mobilevis.export import export_model

    def export(folder: Path) -> None:
        output = folder / "output"
        report = export_model(toy_model, output, input_size=TOY_SIZE, name="toy", frames=toy_frames)
        (folder / "report.pickle").write_bytes(pickle.dumps(report))

    folder = exports.get("toy", export)
    return folder / "output", pickle.loads((folder / "report.pickle").read_bytes())


@pytest.fixture(scope="session")
def toy_artefacts(toy_export: tuple[Path, ExportReport]) -> dict[str, Path]:
    """The toy in every format: format → path."""
    folder, report = toy_export
    return {artefact.format: folder / artefact.path for artefact in report.artefacts}


@pytest.fixture(scope="session")
def exports(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> ExportCache:
    """Exports by name, made once for the sources as they are; each time anew with ``-p no:cacheprovider``."""
    cache = getattr(pytestconfig, "cache", None)
    return ExportCache(cache.mkdir("exports") if cache else tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def artefacts(exports: ExportCache) -> dict[str, Path]:
    """A small MobileInst with seeded random weights in every format: engine → path."""
    from mobilevis.export import export_model
    from mobilevis.export.seeded import create_seeded

    def export(folder: Path) -> None:
        model = create_seeded("mobileinst-topformer-tiny", num_queries=20, num_classes=5)
        export_model(model, folder, input_size=(128, 192), name="mobileinst-topformer-tiny")

    return by_engine(exports.get("mobileinst", export))
