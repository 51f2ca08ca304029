"""Dense kernels that need no training: cells of a strong colour are objects, for golden.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scripted import CELLS, INPUT, PLACE, SLOTS

from mobilevis.runtime.metadata import METADATA_KEY

COUNT = CELLS[0] * CELLS[1]  # a detector's cell for each cell of the mask features
WIDTH = 3 + PLACE  # of a kernel: a colour and a place
RADIUS = np.array([0.11, 0.2])  # of every object, (x, y) as fractions of the input
CLASSES = ("red", "green", "blue")
FEATURES = {"mask_features": (1, WIDTH, *CELLS)}
ENTRIES = {
    "encode": ({"frame": (1, 3, *INPUT)}, FEATURES),
    "decode": (
        FEATURES,
        {
            "kernels": (1, COUNT, WIDTH),
            "scores": (1, COUNT, 3),
            "boxes": (1, COUNT, 4),
            "embeddings": (1, COUNT, 3),
        },
    ),
    "segment": (
        {"kernels": (1, SLOTS, WIDTH), **FEATURES},
        {"mask_logits": (1, SLOTS, 2 * CELLS[0], 2 * CELLS[1])},
    ),
}
NODES = {
    "encode": [
        ("AveragePool", ["frame"], "pooled", {"kernel_shape": [8, 8], "strides": [8, 8]}),
        ("Mul", ["pooled", "scale"], "colours", {}),
        ("Concat", ["colours", "place"], "mask_features", {"axis": 1}),
    ],
    "decode": [
        ("Conv", ["mask_features", "contrast", "bias"], "logits", {}),
        ("Sigmoid", ["logits"], "strong", {}),
        ("Reshape", ["strong", "flat"], "flat_scores", {}),
        ("Transpose", ["flat_scores"], "scores", {"perm": [0, 2, 1]}),
        ("Conv", ["mask_features", "select"], "own", {}),
        ("Reshape", ["own", "flat"], "flat_own", {}),
        ("Transpose", ["flat_own"], "embeddings", {"perm": [0, 2, 1]}),
        ("Concat", ["embeddings", "places"], "kernels", {"axis": 2}),
        ("ReduceMean", ["mask_features"], "mean", {"keepdims": 0}),
        ("Mul", ["mean", "zero"], "nothing", {}),
        ("Add", ["cell_boxes", "nothing"], "boxes", {}),
    ],
    "segment": [
        ("Reshape", ["mask_features", "flat"], "flattened", {}),
        ("MatMul", ["kernels", "flattened"], "products", {}),
        ("Reshape", ["products", "square"], "small", {}),
        ("Resize", ["small", "", "scales"], "mask_logits", {"mode": "nearest"}),
    ],
}


def _constants() -> dict[str, NDArray[np.generic]]:
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in CELLS)
    grid = np.stack(np.broadcast_arrays(x**2, y[:, None] ** 2, x, y[:, None], np.ones(CELLS)))
    centres = grid[2:4].reshape(2, COUNT).T  # (x, y)
    squares = np.broadcast_to(-16 / RADIUS**2, centres.shape)
    constant = 8 + (squares * centres**2).sum(axis=1, keepdims=True)
    contrast = np.zeros((3, WIDTH, 1, 1))
    contrast[:, :3, 0, 0] = 80 * np.eye(3) - 40 * (1 - np.eye(3))
    floats = {
        # Faint beside the place: masks of few pixels must not hang on a grey level at their edge.
        "scale": np.array(0.3 / 255),
        "place": grid[None],
        "contrast": contrast,
        "bias": np.full(3, -15.0),
        "select": np.eye(3, WIDTH)[..., None, None],
        "places": np.hstack([squares, -2 * squares * centres, constant])[None],
        "cell_boxes": np.hstack([centres + 0.5 - RADIUS, centres + 0.5 + RADIUS])[None],
        "zero": np.array(0.0),
        "scales": np.array([1, 1, 2, 2]),
    }
    shapes = {"flat": [1, -1, COUNT], "square": [1, SLOTS, *CELLS]}
    return {
        **{name: np.asarray(value, np.float32) for name, value in floats.items()},
        **{name: np.asarray(value, np.int64) for name, value in shapes.items()},
    }


def write_colour_detector(folder: Path) -> Path:
    """Write the ONNX artefact."""
    artefact = folder / "artefact"
    artefact.mkdir()
    entries = {
        entry: {
            side: [{"name": n, "shape": s, "dtype": "float32"} for n, s in tensors.items()]
            for side, tensors in zip(("inputs", "outputs"), sides)
        }
        for entry, sides in ENTRIES.items()
    }
    metadata = {
        "schema": 2,
        "model": "colours",
        "driver": "mobileinst-dense",
        "entries": entries,
        "input_size": INPUT,
        "classes": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
        "options": {"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
    }
    constants = _constants()
    for entry, sides in ENTRIES.items():
        nodes = [helper.make_node(kind, given, [made], **facts) for kind, given, made, facts in NODES[entry]]
        used = {name for _, given, _, _ in NODES[entry] for name in given}
        tensors = [numpy_helper.from_array(v, n) for n, v in constants.items() if n in used]
        infos = [
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side.items()]
            for side in sides
        ]
        graph = helper.make_graph(nodes, entry, *infos, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
        onnx.save(model, artefact / f"{entry}.onnx")
    return artefact
