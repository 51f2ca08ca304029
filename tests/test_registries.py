"""One entry in its registry is all that a new format, engine, metric, transport and so on needs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import cv2
import numpy as np
import pytest
import torch

from mobilevis.benchmarks.accuracy.evaluate import evaluate
from mobilevis.benchmarks.accuracy.metrics import METRICS, Metric
from mobilevis.benchmarks.accuracy.result import AccuracyResult
from mobilevis.benchmarks.accuracy.run import run_accuracy
from mobilevis.benchmarks.latency.devices import PythonFacts
from mobilevis.benchmarks.latency.transports.base import Access
from mobilevis.benchmarks.latency.transports.registry import (
    TRANSPORTS,
    TransportKind,
    list_addresses,
    open_device,
)
from mobilevis.benchmarks.latency.worker import profile_pass
from mobilevis.benchmarks.latency.worker.job import Job, Target
from mobilevis.benchmarks.latency.worker.loading import open_plain
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from mobilevis.export import export_model
from mobilevis.export.converters import CONVERTERS, Converter
from mobilevis.models import registry
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.association import ASSOCIATIONS, Association, describe_associations
from mobilevis.runtime.association.follower import FrameMasks, Setting, Tracked
from mobilevis.runtime.choices import Option
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES, FORMATS, Engine, Format
from mobilevis.runtime.keyframes import KEYFRAME_POLICIES, KeyframePolicy, describe_policies
from mobilevis.runtime.metadata import parse_metadata
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import open_source
from mobilevis.runtime.stages import Stages
from mobilevis.runtime.versions import tool_versions

from .conftest import TOY_SIZE
from .runtime.conftest import ColorArtefact


class FakeConverted:
    """Traced programs in a ZIP archive."""

    def __init__(self, programs: Mapping[str, torch.export.ExportedProgram]) -> None:
        self._programs = programs

    def write(self, path: Path, metadata: str) -> None:
        contents = {}
        for name, program in self._programs.items():
            content = io.BytesIO()
            torch.export.save(program, content)
            contents[name] = content.getvalue()
        sizes = json.dumps({name: len(content) for name, content in contents.items()})
        head = f"{metadata}\n{sizes}\n".encode()
        path.write_bytes(head + b"".join(contents.values()))


class FakeArtefact(Artefact):
    """Such a file on PyTorch: two lines of JSON, then the programs."""

    engine = "torcheval"
    threads = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self._programs = {}
        with path.open("rb") as file:
            self.metadata_text = file.readline().decode().rstrip("\n")
            self.metadata = parse_metadata(self.metadata_text, str(path))
            for name, size in json.loads(file.readline()).items():
                self._programs[name] = torch.export.load(io.BytesIO(file.read(size))).module()

    def _run(self, entry: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        with torch.inference_mode():
            outputs = self._programs[entry](
                **{name: torch.from_numpy(array) for name, array in inputs.items()}
            )
        return {name: output.contiguous().numpy() for name, output in outputs.items()}


@pytest.fixture
def fake_format(monkeypatch):
    """A format ``fake`` and an engine ``torcheval`` for it, each by its one entry."""
    module = SimpleNamespace(
        convert=lambda traced, how: FakeConverted({name: item.program for name, item in traced.items()}),
        load=lambda path, threads: FakeArtefact(path),
    )
    monkeypatch.setitem(sys.modules, "fake_format", module)
    monkeypatch.setitem(FORMATS, "fake", Format(".fake"))
    monkeypatch.setitem(ENGINES, "torcheval", Engine("fake_format", "fake", ("torcheval", "oldeval")))
    monkeypatch.setitem(CONVERTERS, "fake", Converter("fake_format", ("pytest",)))


def test_a_format_is_exported_gated_loaded_and_streamed(
    fake_format, toy_model, toy_frames, toy_driver, tmp_path
):
    report = export_model(toy_model, tmp_path, ["fake"], TOY_SIZE, name="toy", frames=toy_frames)
    path = tmp_path / "toy_64x96_fp32.fake"
    assert [item.path for item in report.artefacts] == [path.name]
    artefact = load_artefact(path)
    assert artefact.engine == "torcheval"
    assert artefact.metadata.tools["pytest"] == tool_versions(["pytest"])["pytest"]
    assert VideoSegmenter(artefact).process(toy_frames[0]).frame_index == 0


def test_errors_list_a_new_format_and_a_new_engine(fake_format, toy_model, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"a \.tflite file or a \.fake file"):
        load_artefact(tmp_path / "model.pt")
    with pytest.raises(UserError, match="did you mean torcheval"):
        load_artefact(tmp_path / "model.pt", engine="torchevil")
    with pytest.raises(UserError, match="unknown format fakes: did you mean fake"):
        export_model(toy_model, tmp_path, ["fakes"], TOY_SIZE)


def test_a_device_is_asked_for_a_new_engines_packages(fake_format):
    facts = PythonFacts("3.11", "python3", "aarch64", {"numpy": "2.0"})
    assert facts.engines["torcheval"] is None
    assert facts.pip_line("torcheval") == "python3 -m pip install torcheval"
    older = PythonFacts("3.11", "python3", "aarch64", {"oldeval": "0.1"})
    assert older.engines["torcheval"] == "oldeval 0.1"


class FakeJournal:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, **fields})


def test_an_engine_without_a_profiler_is_refused_in_words(fake_format, toy_model, toy_frames, tmp_path):
    export_model(toy_model, tmp_path, ["fake"], TOY_SIZE, name="toy", frames=toy_frames)
    journal: Any = FakeJournal()
    target = Target("toy", str(tmp_path / "toy_64x96_fp32.fake"))
    profile_pass.run(Job((target,), "profile", (0,), 1, PROTOCOLS["quick"]), journal)
    refusal = {"event": "profile", "target": 0, "not_available": "torcheval has no profiler"}
    assert journal.events == [refusal]
    with pytest.raises(UserError, match="torcheval times artefacts only"):
        open_plain(tmp_path / "toy_64x96_fp32.fake", threads=1)


def test_every_engine_has_a_pip_extra_of_its_name():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    for name, engine in ENGINES.items():
        assert f'{name} = ["{engine.distributions[0]}' in text


def test_a_metric_is_predicted_and_evaluated(monkeypatch, toy_artefacts, toy_driver, tmp_path):
    def predict(segmenter, gt, images, results, progress):
        with open_source(images) as source:
            ((_, result),) = segmenter.stream(source)
        results.write_text(json.dumps(len(result.instances)))

    def count(gt, results, progress, strict):
        return AccuracyResult("count", {}, (), {"instances": json.loads(results.read_text())})

    monkeypatch.setitem(sys.modules, "fake_metric", SimpleNamespace(predict=predict, count=count))
    monkeypatch.setitem(METRICS, "count", Metric("none", "fake_metric:count", "fake_metric:predict"))
    segmenter = VideoSegmenter(load_artefact(toy_artefacts["onnx"]))
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "0.png"), np.zeros((*TOY_SIZE, 3), dtype=np.uint8))
    counted = run_accuracy(segmenter, "count", tmp_path / "gt", tmp_path / "results", tmp_path / "frames")
    assert counted.counts["instances"] >= 0
    assert counted.counts["keyframes"] == 1
    with pytest.raises(UserError, match="did you mean count"):
        evaluate("cound", tmp_path / "gt", tmp_path / "results")


def test_a_transport_is_opened_and_listed_by_its_prefix(monkeypatch):
    def open_serial(target: str, access: Access) -> Any:
        return target, access.python

    serial = TransportKind(":PORT", open_serial, lambda access: [("serial:1", "ready")])
    monkeypatch.setattr(
        "mobilevis.benchmarks.latency.transports.registry.TRANSPORTS", {**TRANSPORTS, "serial": serial}
    )
    opened: Any = open_device("serial:7", Access(python="py"))
    assert opened == ("7", "py")
    assert ("serial:1", "ready") in list_addresses()
    with pytest.raises(UserError, match=r"adb\[:SERIAL\] or serial:PORT"):
        open_device("usb:7")


@pytest.mark.parametrize("address", ["local:here", "ssh", "ssh:", "serial:1", ""])
def test_an_address_that_no_transport_takes_is_refused(address):
    with pytest.raises(UserError, match=r"give local, ssh:USER@HOST\[:PORT\] or adb\[:SERIAL\]"):
        open_device(address)


class FakeFollower:
    """Shows every kernel, the first as identity ``first_id``."""

    def __init__(self, setting: Setting, first_id: int) -> None:
        self._setting, self._first_id = setting, first_id

    def on_keyframe(self, kernels: np.ndarray, class_scores: np.ndarray) -> np.ndarray:
        scores = class_scores.max(axis=1)
        chosen = self._setting.choice.choose(scores, np.ones(len(scores), dtype=np.bool_))
        self._scores = class_scores[chosen]
        return chosen

    def on_masks(self, masks: FrameMasks, stages: Stages) -> Tracked:
        ids = np.arange(len(self._scores)) + self._first_id
        return Tracked(ids, self._scores.argmax(axis=1), self._scores.max(axis=1), masks.logits)

    def on_no_masks(self) -> None:
        """Nothing is remembered."""


@pytest.fixture
def fake_association(monkeypatch):
    monkeypatch.setitem(sys.modules, "fake_association", SimpleNamespace(follow=FakeFollower))
    entry = Association("counts", "fake_association:follow", (Option("first_id", 7, 1, 100),))
    monkeypatch.setitem(ASSOCIATIONS, "fake", entry)


def test_an_association_is_run_with_its_own_options_and_described(fake_association):
    frame = np.zeros((90, 150, 3), dtype=np.uint8)
    frame[20:50, 10:40, 0] = frame[30:60, 110:140, 1] = 255
    for own, ids in (({}, {7, 8}), ({"first_id": 20}, {20, 21})):
        segmenter = VideoSegmenter(ColorArtefact(), association="fake", **own)
        for _ in range(4):
            assert {item.track_id for item in segmenter.process(frame).instances} == ids
    assert segmenter.options["first_id"] == 20
    assert "fake (counts)" in describe_associations()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"association": "fakes"}, "did you mean fake"),
        ({"association": "fake", "first_id": 0}, r"first_id is 0, it must be in \[1, 100\]"),
        ({"association": "fake", "first_id": 1.5}, "first_id is 1.5, not a whole number"),
        ({"association": "slots", "first_id": 9}, "has no option first_id"),
    ],
)
def test_an_associations_options_are_its_own(fake_association, options, message):
    with pytest.raises(UserError, match=message):
        VideoSegmenter(ColorArtefact(), **options)


class FakeKeyframes:
    """Keyframes are the first frames, ``first`` times T."""

    reads_features = False

    def __init__(self, interval: int, first: int) -> None:
        self._left = first * interval

    def watch(self, features: np.ndarray) -> None:
        """Nothing is looked at."""

    def decide(self, features: Optional[np.ndarray] = None) -> bool:
        self._left -= 1
        return self._left >= 0


def test_a_keyframe_policy_is_run_with_its_own_options_and_described(monkeypatch):
    monkeypatch.setitem(sys.modules, "fake_policy", SimpleNamespace(Keyframes=FakeKeyframes))
    entry = KeyframePolicy("early", "fake_policy:Keyframes", (Option("first", 2, 1),))
    monkeypatch.setitem(KEYFRAME_POLICIES, "fake", entry)
    frame = np.zeros((90, 150, 3), dtype=np.uint8)
    for own, keyframes in (({}, 4), ({"first": 3}, 6)):
        segmenter = VideoSegmenter(ColorArtefact(), keyframe_policy="fake", keyframe_interval=2, **own)
        assert sum(segmenter.process(frame).is_keyframe for _ in range(10)) == keyframes
    assert segmenter.options["first"] == 3
    assert "fake (early)" in describe_policies()


@dataclass(frozen=True)
class FakeConfig:
    backbone: str
    width: int = 8


def test_a_family_is_one_row_of_sizes():
    family: Any = registry.Family("fake", lambda config: config, FakeConfig, {"tiny": {"backbone": "x"}})
    assert family.create("tiny", width=4) == FakeConfig("x", 4)
    with pytest.raises(ValueError, match="fake-tiny has no backbone y"):
        family.create("tiny", backbone="y")
    with pytest.raises(ValueError, match="no configuration widht; did you mean width"):
        family.create("tiny", widht=4)


def test_every_family_names_its_models_by_prefix_and_size():
    names = [f"{family.prefix}-{size}" for family in registry.FAMILIES for size in family.sizes]
    assert len(set(names)) == len(names)
    assert sorted(names) == registry.list_models()


def test_a_misspelt_model_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean mobileinst-topformer-tiny"):
        registry.create_model("mobileinst-topfomer-tiny")
