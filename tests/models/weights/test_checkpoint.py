from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mobilevis.models import StreamingModel, create_model
from mobilevis.models.weights import tensor_files
from mobilevis.models.weights.checkpoint import (
    METADATA_KEY,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    start_classes,
)
from mobilevis.models.weights.load_report import LoadReport
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of

NAME = "mobileinst-topformer-tiny"
CLASSES = (Category(4, "red"), Category(9, "green"))
CONFIG = {"num_classes": 2, "num_queries": 10, "dim": 32}


def small_model(name: str = NAME, **config: Any) -> StreamingModel:
    return create_model(name, **{**CONFIG, **config}).eval()


@pytest.fixture
def model() -> StreamingModel:
    return small_model()


@pytest.fixture
def checkpoint(model: StreamingModel, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(model, path, name=NAME, classes=CLASSES, record={"iterations": 6})
    return path


def rewrite(path: Path, tensors: dict[str, Tensor] | None = None, **about: Any) -> None:
    """Change what a checkpoint holds."""
    parsed = tensor_files.read_safetensors(path)
    changed = {**json.loads(parsed.metadata[METADATA_KEY]), **about}
    save_file({**parsed.tensors, **(tensors or {})}, path, metadata={METADATA_KEY: json.dumps(changed)})


def state_of(model: StreamingModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_checkpoint_brings_the_model_its_name_its_classes_and_its_record(
    model: StreamingModel, checkpoint: Path
) -> None:
    loaded = load_checkpoint(checkpoint)
    assert (loaded.name, loaded.classes, loaded.record) == (NAME, CLASSES, {"iterations": 6})
    assert loaded.model.config == model.config
    assert not loaded.model.training
    assert loaded.sha256 == sha256_of(checkpoint)
    state = loaded.model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    frames = torch.rand(1, 3, 64, 128) * 255
    assert torch.equal(loaded.model(frames).mask_logits, model(frames).mask_logits)


def test_half_precision_halves_the_file_and_keeps_norms_whole(
    model: StreamingModel, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "half.safetensors"
    save_checkpoint(model, path, name=NAME, classes=CLASSES, record={}, half=True)
    assert path.stat().st_size < 0.6 * checkpoint.stat().st_size
    state = load_checkpoint(path).model.state_dict()
    for name, tensor in model.state_dict().items():
        assert state[name].dtype == tensor.dtype
        stored = tensor.half().float() if tensor.dim() > 1 else tensor
        assert torch.equal(state[name], stored), name


def test_a_wrong_name_or_number_of_classes_is_refused_before_writing(
    model: StreamingModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match="no backbone topformer-tiny"):
        save_checkpoint(model, path, name="mobileinst-topformer-base", classes=CLASSES, record={})
    with pytest.raises(ValueError, match="1 classes are named, the model has 2"):
        save_checkpoint(model, path, name=NAME, classes=CLASSES[:1], record={})
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_not_written(model: StreamingModel, checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="NaN or infinity"):
        save_checkpoint(model, checkpoint, name=NAME, classes=CLASSES, record={})
    assert checkpoint.read_bytes() == before


def test_values_beyond_half_precision_are_not_written(model: StreamingModel, tmp_path: Path) -> None:
    with torch.no_grad():
        next(p for p in model.parameters() if p.dim() > 1).fill_(1e5)
    with pytest.raises(UserError, match="store in full precision"):
        save_checkpoint(model, tmp_path / "m", name=NAME, classes=CLASSES, record={}, half=True)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04 and so on", "not a safetensors file"),
        (struct.pack("<Q", 1 << 40) + b"{" + b" " * 100, "the header claims 1099511627776 bytes"),
        (struct.pack("<Q", 90) + b"{" + b" " * 99, "truncated or damaged"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=what) as caught:
        load_checkpoint(path)
    assert caught.value.file == path
    assert caught.value.fix


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="not a file"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("kept", [4, 20, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(checkpoint: Path, kept: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load_checkpoint(checkpoint)


def test_a_checkpoint_without_our_metadata_is_refused(model: StreamingModel, tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file(model.state_dict(), path)
    with pytest.raises(UserError, match="carries no model name"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"schema": 2}, "checkpoint schema 2, this version reads 1"),
        ({"name": "yolo"}, "cannot build its model: no model yolo; known are"),
        ({"config": {"depth": 3}}, "cannot build its model: no configuration depth"),
        ({"config": {**CONFIG, "num_queries": 12}}, r"queries.* is \(.*\) there"),
        ({"config": {**CONFIG, "num_classes": 1 << 40}}, r"is \(2.* there, \(1099511627776"),
        ({"config": 3}, "broken checkpoint metadata"),
        ({"classes": [{"id": 1}]}, "broken checkpoint metadata"),
        ({"classes": [{"id": 1, "name": "one"}]}, "names 1 classes for 2"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(checkpoint: Path, about: dict[str, Any], what: str) -> None:
    rewrite(checkpoint, **about)
    with pytest.raises(UserError, match=what):
        load_checkpoint(checkpoint)


def test_a_checkpoint_with_weights_that_are_not_finite_is_refused(checkpoint: Path) -> None:
    name = "backbone.stem.conv.weight"
    rewrite(checkpoint, {name: torch.full_like(load_file(checkpoint)[name], float("inf"))})
    with pytest.raises(UserError, match=f"{name} holds NaN or infinity"):
        load_checkpoint(checkpoint)


def test_a_checkpoint_with_a_tensor_too_many_is_refused(checkpoint: Path) -> None:
    rewrite(checkpoint, {"backbone.extra": torch.zeros(1)})
    with pytest.raises(UserError, match=r"does not fit at backbone\.extra"):
        load_checkpoint(checkpoint)


def test_training_can_start_from_a_checkpoint_for_other_classes(
    model: StreamingModel, checkpoint: Path
) -> None:
    other = small_model(num_classes=5)
    before = state_of(other)
    report = load_weights(other, checkpoint)
    assert report.other_classes
    assert len(report.loaded) + len(report.other_classes) == len(before)
    state, saved = other.state_dict(), model.state_dict()
    assert all(torch.equal(state[name], saved[name]) for name in report.loaded)
    for name in report.other_classes:
        assert state[name].shape[0] == 5
        assert torch.equal(state[name], before[name])


def test_classes_start_from_those_of_a_checkpoint_by_name(model: StreamingModel, checkpoint: Path) -> None:
    other = small_model(num_classes=3)
    found = start_classes(other, checkpoint, ["class_head"], ["lime", "blue", "red"], {"lime": "green"})
    assert found == {"lime": "green", "red": "red"}
    rows, saved = (m.state_dict()["instance_decoder.class_head.weight"] for m in (other, model))
    assert torch.equal(rows[[0, 2]], saved[[1, 0]])
    assert LoadReport((), classes=found).summary().endswith("from the file's: lime from green, red")


def test_training_cannot_start_from_another_model(checkpoint: Path) -> None:
    with pytest.raises(UserError, match=r"is .* there, .* in the model"):
        load_weights(small_model(dim=64), checkpoint)
    with pytest.raises(UserError, match=f"holds a {NAME}, which lacks .* model.fresh"):
        load_weights(small_model("mobileinst-seaformer-tiny"), checkpoint)


def test_a_size_that_does_not_fit_names_the_option_that_cures_it(checkpoint: Path, model: Any) -> None:
    cure = rf"take the checkpoint's options: --set model\.options\.num_queries={model.num_queries}$"
    with pytest.raises(UserError, match=cure):
        load_weights(small_model(num_queries=model.num_queries + 1), checkpoint, NAME)


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save_to_a_full_disk(tensors: Any, path: Path, metadata: Any) -> None:
        path.touch()
        # What safetensors 0.8 says on a full tmpfs.
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensor_files, "save_file", save_to_a_full_disk)
    with pytest.raises(UserError, match="the disk is full"):
        tensor_files.write_safetensors({"x": torch.zeros(1)}, tmp_path / "x.safetensors", {})
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_the_same_model_must_fit_wholly(checkpoint: Path) -> None:
    rewrite(checkpoint, {"backbone.extra": torch.zeros(1)})
    with pytest.raises(UserError, match=r"does not fit at backbone\.extra"):
        load_weights(small_model(), checkpoint, NAME)


def test_a_part_is_named_by_its_last_names(checkpoint: Path) -> None:
    other = small_model()
    report = load_weights(other, checkpoint, NAME, fresh=["stem.conv", "backbone.stem.norm", "none"])
    assert {name.rpartition(".")[0] for name in report.missing} == {
        "backbone.stem.conv",
        "backbone.stem.norm",
    }


def test_parts_that_start_afresh_keep_their_values(model: StreamingModel, checkpoint: Path) -> None:
    other = small_model()
    before = state_of(other)
    report = load_weights(other, checkpoint, NAME, fresh=["instance_decoder"])
    state, saved = other.state_dict(), model.state_dict()
    assert report.missing == tuple(name for name in state if name.startswith("instance_decoder."))
    for name in state:
        assert torch.equal(state[name], (before if name in report.missing else saved)[name])


def test_a_configuration_builds_its_model_again(model: StreamingModel) -> None:
    assert create_model(NAME, **asdict(model.config)).config == model.config


@pytest.mark.parametrize(
    ("name", "renamed", "then"),
    [
        ("efficientvis-tiny", {"hidden": "feed_forward"}, {}),
        ("maxtron-vis-tiny", {}, {"axial_place": "after", "shared_heads": False}),
        ("seqformer-tiny", {}, {"centred_positions": False}),
    ],
)
def test_a_checkpoint_of_an_earlier_version_is_the_model_that_it_was(tmp_path, name, renamed, then):
    """Without the options that came later, and with those that were renamed under their former names."""
    path = tmp_path / "model.safetensors"
    model = create_model(name, num_classes=2, **then)
    save_checkpoint(model, path, name=name, classes=CLASSES, record={})
    config = {renamed.get(key, key): value for key, value in asdict(model.config).items() if key not in then}
    rewrite(path, config=config)
    loaded = load_checkpoint(path).model
    assert json.dumps(asdict(loaded.config)) == json.dumps(asdict(model.config))
    assert all(torch.equal(loaded.state_dict()[key], x) for key, x in model.state_dict().items())


def test_the_report_names_what_kept_its_initial_values() -> None:
    assert LoadReport(("a", "b")).summary() == "loaded 2 tensors"
    report = LoadReport(("a",), missing=("b", "c", "d", "e"), other_classes=("head",))
    assert report.summary() == (
        "loaded 1 tensors; 4 keep their initial values (b, c, d, …); "
        "1 keep their initial values, the file is for other classes (head)"
    )


def test_a_checkpoint_can_be_read_by_whoever_may_read_other_new_files(checkpoint: Path) -> None:
    ordinary = checkpoint.with_name("ordinary")
    ordinary.touch()
    assert checkpoint.stat().st_mode == ordinary.stat().st_mode
