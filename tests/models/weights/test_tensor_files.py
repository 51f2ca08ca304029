"""Files of tensors are hostile: nothing in them runs, and no size is believed."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from mobilevis.models.weights import tensor_files
from mobilevis.models.weights.official import load_pretrained_backbone
from mobilevis.runtime.errors import UserError
from tests.models.weights.official_files import official_topformer_tiny, topformer


class Malicious:
    """Its pickle makes a folder when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_is_unpickled(tmp_path: Path, legacy: bool) -> None:
    path, trace = tmp_path / "bad.pth", tmp_path / "trace"
    content = {"state_dict": official_topformer_tiny(), "meta": Malicious(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"more than tensors and plain values \(.*bad\.pth"):
        load_pretrained_backbone(topformer(), path)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(UserError, match=r"plain\.pkl"):
        load_pretrained_backbone(topformer(), tmp_path / "plain.pkl")
    assert not trace.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_torch_file_is_refused(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "cut.pth"
    torch.save(official_topformer_tiny(), path, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UserError, match=r"cut\.pth"):
        load_pretrained_backbone(topformer(), path)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_files, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2 << 20))
    with pytest.raises(UserError, match="unpacks to 2097152 bytes"):
        load_pretrained_backbone(topformer(), path)
