"""Files of named tensors from anywhere, read without running what is in them,
and written whole.

Sizes are bounded before anything is allocated. PyTorch's pickles are read by its restricted unpickler only.
"""

from __future__ import annotations

import argparse
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mobilevis.models.weights.pickled_arrays import PICKLE_SUFFIX, read_pickled_arrays
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, file_exists

MAX_FILE_BYTES = 1 << 30  # the largest official file, with optimiser state, has some 200 MB
MAX_HEADER_BYTES = 4 << 20  # some 100 bytes a tensor, and the training record
WRAPPERS = ("state_dict_ema", "state_dict", "model")  # the order in which the official code looks
_SAVE_AGAIN = "save its state dict alone, or convert it to safetensors, where you trust it"


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        tensors: by name, on the CPU; a hostile file's may claim any shape, so compare shapes before use.
        metadata: a safetensors file's; empty for others.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_tensors(path: Path) -> TensorFile:
    """Read a safetensors file, one that ``torch.save`` wrote, or pickled arrays (``.pkl``).

    Raises:
        UserError: missing, empty, too large, damaged, or it holds anything but tensors and plain values.
    """
    if _looks_like_safetensors(path):
        return read_safetensors(path)
    return TensorFile(read_pickled_arrays(path) if path.suffix == PICKLE_SUFFIX else _read_torch(path))


def write_safetensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file whole; an older one stays until it is replaced.

    Raises:
        UserError: the place cannot be written, or the disk is full.
    """
    with atomic_path(path) as temporary:
        try:
            save_file(dict(tensors), temporary, metadata=dict(metadata))
        except SafetensorError as error:
            # The library tells the system's errors by their text alone.
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def read_safetensors(path: Path) -> TensorFile:
    """Read a safetensors file.

    Raises:
        UserError: missing, empty, too large, damaged, or of another format.
    """
    if not _looks_like_safetensors(path):
        raise UserError("not a safetensors file", path, "give a checkpoint that mobilevis wrote")
    with path.open("rb") as stream:
        (header,) = struct.unpack("<Q", stream.read(8))
    if header > min(MAX_HEADER_BYTES, path.stat().st_size - 8):
        raise UserError(
            f"the header claims {header} bytes: truncated or damaged", path, "copy or download it again"
        )
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return TensorFile({name: file.get_tensor(name) for name in names}, file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"truncated or damaged: {error}", path, "copy or download it again") from error


def _looks_like_safetensors(path: Path) -> bool:
    """An 8-byte length, then JSON. Refuses what is no file of a plausible size."""
    if not file_exists(path):
        raise UserError("no such file", path, "check the path")
    if not path.is_file():
        raise UserError("not a file", path, "give a checkpoint file")
    size = path.stat().st_size
    if size == 0:
        raise UserError("the file is empty", path, "copy or download it again")
    if size > MAX_FILE_BYTES:
        raise UserError(f"{size} bytes is more than any known checkpoint", path, "give a checkpoint file")
    with path.open("rb") as stream:
        return stream.read(9)[8:] == b"{"


def _read_torch(path: Path) -> dict[str, Tensor]:
    _bound_archive(path)
    try:
        # timm keeps the training script's arguments beside the weights; a namespace only holds values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = "not a checkpoint, or one that holds more than tensors and plain values"
        raise UserError(what, path, _SAVE_AGAIN) from error
    # Damage shows in a different place of the format, and as another error, each time.
    except Exception as error:
        raise UserError("truncated or damaged", path, "copy or download it again") from error
    return _state_dict(content, path)


def _bound_archive(path: Path) -> None:
    """Refuse an archive whose compressed members unpack to more than any checkpoint has."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError("truncated or damaged", path, "copy or download it again") from error
    if unpacked > MAX_FILE_BYTES:
        raise UserError(f"unpacks to {unpacked} bytes, more than any known checkpoint", path, _SAVE_AGAIN)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
            break
    if not isinstance(content, dict):
        raise UserError(f"holds no state dict but {type(content).__name__}", path, _SAVE_AGAIN)
    return {
        name: tensor
        for name, tensor in content.items()
        if isinstance(name, str) and isinstance(tensor, Tensor)
    }
