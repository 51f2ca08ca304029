"""The published YOLOX-Nano ONNX file into our modules.

The file (Megvii-BaseDetection/YOLOX, Apache-2.0) has its batch norms folded and its tensors numbered, so that
nothing but their order names them. The mapping:

    file                                 ours
    n-th convolution, in order           n-th convolution of (backbone, head), in order of definition
    stem of 12 channels, 3×3, on the     6×6 of stride 2 on the image itself:
    image's space-to-depth               w6[o, c, 2·ky + dy, 2·kx + dx] = w[o, 3·p + c, ky, kx],
                                         p = 0 … 3 for (dy, dx) = (0, 0), (1, 0), (0, 1), (1, 1)
    image in blue, green, red            in red, green, blue; both in [0, 255], so nothing else changes
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mobilevis.models.backbones.yolox import YoloxHead, YoloxNano
from mobilevis.models.weights.tensor_files import MAX_FILE_BYTES
from mobilevis.runtime.errors import UserError, missing_extra
from mobilevis.runtime.files import is_file

YOLOX_SUFFIX = ".onnx"
YOLOX_CLASSES = 80  # COCO's, in the order of their ids
_SUBPIXELS = ((0, 0), (1, 0), (0, 1), (1, 1))
_FIX = "give the published yolox_nano.onnx"
_OTHER_MODEL = "load it into mobileinst-yolox-nano"

Convolution = tuple[NDArray[np.float32], NDArray[np.float32]]


def read_yolox(model: nn.Module, path: Path) -> dict[str, Tensor]:
    """The tensors of a published file by our names, such as ``backbone.stem.conv.weight``.

    Args:
        model: with a ``YoloxNano`` as ``backbone`` and a ``YoloxHead`` as ``head``.
        path: the ONNX file; its tensors' shapes are not checked here.

    Raises:
        UserError: the model has no such parts, or the file is missing or damaged, or is not YOLOX-Nano's.
    """
    backbone, head = getattr(model, "backbone", None), getattr(model, "head", None)
    if not isinstance(backbone, YoloxNano) or not isinstance(head, YoloxHead):
        raise UserError(f"{type(model).__name__} has no place for YOLOX's weights", path, _OTHER_MODEL)
    names = [
        f"{part}.{name}"
        for part, root in (("backbone", backbone), ("head", head))
        for name, module in root.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    published = _read_convolutions(path)
    if len(published) != len(names):
        raise UserError(f"{len(published)} convolutions, YOLOX-Nano has {len(names)}", path, _FIX)
    stem, bias = published[0]
    published[0] = (_image_stem(stem, path), bias)
    tensors = {}
    for name, (weight, bias) in zip(names, published):
        tensors[f"{name}.weight"] = torch.from_numpy(weight)
        tensors[f"{name}.bias"] = torch.from_numpy(bias)
    return tensors


def _read_convolutions(path: Path) -> list[Convolution]:
    """Weight and bias of each convolution, in the order of the graph."""
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "export") from error
    if not is_file(path):
        raise UserError("no such file", path, "check the path")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UserError("larger than any known checkpoint", path, _FIX)
    try:
        # External data would read files that the model names.
        graph = onnx.load(str(path), load_external_data=False).graph
        arrays = {tensor.name: tensor for tensor in graph.initializer}
        convolutions = [node.input for node in graph.node if node.op_type == "Conv"]
        return [(_array(arrays[weight]), _array(arrays[bias])) for _, weight, bias in convolutions]
    # Damage shows as protobuf's, NumPy's or a look-up's error, by where it is.
    except Exception as error:
        raise UserError("truncated or damaged, or not YOLOX-Nano's", path, _FIX) from error


def _array(tensor: Any) -> NDArray[np.float32]:
    from onnx import numpy_helper

    return np.array(numpy_helper.to_array(tensor), dtype=np.float32)


def _image_stem(weight: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """(O, 12, 3, 3) on space-to-depth BGR → (O, 3, 6, 6) on the RGB image."""
    if weight.shape[1:] != (12, 3, 3):
        raise UserError(f"the stem is {weight.shape}, not of 12 channels", path, _FIX)
    stem = np.zeros((weight.shape[0], 3, 6, 6), dtype=np.float32)
    for place, (dy, dx) in enumerate(_SUBPIXELS):
        stem[:, :, dy::2, dx::2] = weight[:, 3 * place : 3 * place + 3][:, ::-1]
    return stem
