"""Pickled NumPy arrays by name, detectron2's model zoo format, read without running what is in the file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from mobilevis.runtime.errors import UserError

PICKLE_SUFFIX = ".pkl"
_KINDS = ("float16", "float32", "float64", "int32", "int64", "uint8")


def _empty_array(*_: Any) -> np.ndarray:
    """What NumPy's pickles begin with and fill afterwards; a hostile file's shape would be allocated here."""
    return np.empty(0, dtype=np.int8)


def _encode(text: str, _: str = "latin1") -> bytes:
    """Bytes, as protocol 2 writes them."""
    return text.encode("latin1")


# All that such a file may call.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_pickled_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays of a ``.pkl`` file: a dictionary of them, or one under the key ``model``.

    Args:
        path: a file of a plausible size.

    Raises:
        UserError: damaged, or it holds anything but arrays, numbers and text.
    """
    fix = "give a file of detectron2's model zoo"
    try:
        with path.open("rb") as stream:
            content = _ArrayUnpickler(stream).load()
    except pickle.UnpicklingError as error:
        raise UserError("not a checkpoint, or one that holds more than arrays", path, fix) from error
    # Damage shows in a different place of the format, and as another error, each time.
    except Exception as error:
        raise UserError("truncated or damaged", path, "copy or download it again") from error
    content = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise UserError(f"holds no arrays but {type(content).__name__}", path, fix)
    arrays = {name: x for name, x in content.items() if isinstance(name, str) and isinstance(x, np.ndarray)}
    plain = {name: x for name, x in arrays.items() if x.dtype.name in _KINDS and x.dtype.isnative}
    return {name: torch.from_numpy(np.array(x, order="C")) for name, x in plain.items()}
