"""Plain models as baselines: any .onnx, .tflite or .pte with fixed input shapes, one entry, random inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mobilevis.runtime.engines import executorch, litert, onnxruntime
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import MAX_TENSOR_ELEMENTS

ENTRY = "model"
ONNX_DTYPES: Mapping[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
# executorch/schema/scalar_type.fbs
EXECUTORCH_DTYPES: Mapping[int, DTypeLike] = {
    0: np.uint8,
    1: np.int8,
    3: np.int32,
    4: np.int64,
    5: np.float16,
    6: np.float32,
    7: np.float64,
    11: np.bool_,
}
Arrays = Mapping[str, NDArray[Any]]


class PlainModel:
    """A model without metadata, with one entry named ``model``.

    Attributes:
        engine: name of the engine.
        threads: as the engine counts them; None where it does not tell.
        inputs: the entry → random inputs.
    """

    def __init__(
        self, engine: str, threads: Optional[int], inputs: Arrays, infer: Callable[[Arrays], Any]
    ) -> None:
        self.engine = engine
        self.threads = threads
        self.inputs = {ENTRY: inputs}
        self._infer = infer

    def run(self, entry: str, inputs: Arrays) -> Any:
        """Run the model once, inputs and outputs copied as a client would."""
        if entry != ENTRY:
            raise ValueError(f"unknown entry {entry}; a plain model has {ENTRY}")
        return self._infer(inputs)


def open_plain(path: Path, threads: int) -> PlainModel:
    """Open a plain model on its format's engine.

    Raises:
        UserError: not a file of the three formats, the engine is missing or cannot read it, or an input has
            no fixed shape or an unknown type.
    """
    suffix = path.suffix.lower()
    if suffix not in OPENERS or not path.is_file():
        raise UserError("not a plain model", path, f"give a file that ends in {', '.join(OPENERS)}")
    return OPENERS[suffix](path, threads)


def random_array(path: Path, name: str, shape: Sequence[Any], dtype: Optional[DTypeLike]) -> NDArray[Any]:
    """A random input: floats in [0, 1), integers and booleans 0 or 1, which any index range holds.

    Raises:
        UserError: the shape is not fixed or not plausible, or the type is unknown.
    """
    fix = "export the model with fixed input shapes of numbers"
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise UserError(f"input {name} has no fixed shape: {list(shape)}", path, fix)
    if dtype is None:
        raise UserError(f"input {name} is of a type that is not known here", path, fix)
    if np.prod(shape, dtype=np.float64) > MAX_TENSOR_ELEMENTS:
        raise UserError(f"input {name} of shape {list(shape)} is too large", path, fix)
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.floating):
        return random.random(tuple(shape)).astype(dtype)
    return random.integers(0, 2, tuple(shape)).astype(dtype)


def _open_onnx(path: Path, threads: int) -> PlainModel:
    session = onnxruntime.open_session(path, threads)
    inputs = {
        tensor.name: random_array(path, tensor.name, tensor.shape, ONNX_DTYPES.get(tensor.type))
        for tensor in session.get_inputs()
    }
    count = int(session.get_session_options().intra_op_num_threads)
    return PlainModel("onnxruntime", count, inputs, lambda arrays: session.run(None, arrays))


def _open_tflite(path: Path, threads: int) -> PlainModel:
    interpreter, count = litert.open_interpreter(path, threads)
    details = {detail["name"]: detail for detail in interpreter.get_input_details()}
    inputs = {
        # shape_signature keeps -1 where ``shape`` shows the 1 that an unset dimension falls back to
        name: random_array(
            path, name, detail.get("shape_signature", detail["shape"]).tolist(), detail["dtype"]
        )
        for name, detail in details.items()
    }
    outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def infer(arrays: Arrays) -> Any:
        for name, array in arrays.items():
            interpreter.set_tensor(details[name]["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return PlainModel("litert", count, inputs, infer)


def _open_pte(path: Path, threads: int) -> PlainModel:
    import torch

    program = executorch.open_program(path, threads)
    names = [program.get_method_name(i) for i in range(program.num_methods())]
    if "forward" not in names and len(names) != 1:
        raise UserError(
            f"the program has methods {', '.join(names)}", path, "a plain model has forward alone"
        )
    method = program.load_method("forward" if "forward" in names else names[0])
    meta = method.method_meta()
    inputs = {}
    for i in range(meta.num_inputs()):
        tensor = meta.input_tensor_meta(i)
        inputs[str(i)] = random_array(path, str(i), tensor.sizes(), EXECUTORCH_DTYPES.get(tensor.dtype()))

    def infer(arrays: Arrays) -> Any:
        return method.call([torch.from_numpy(array) for array in arrays.values()], clone_outputs=True)

    return PlainModel("executorch", threads, inputs, infer)


OPENERS: Mapping[str, Callable[[Path, int], PlainModel]] = {
    ".onnx": _open_onnx,
    ".tflite": _open_tflite,
    ".pte": _open_pte,
}
