"""The published YOLOX-Nano file through our modules: the same boxes, scores and features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.weights.checkpoint import load_weights
from mobilevis.runtime.errors import UserError

onnx = pytest.importorskip("onnx")

NAME = "mobileinst-yolox-nano"
STEM = (16, 12, 3, 3)


def write_graph(path: Path, *shapes: tuple[int, ...]) -> Path:
    """A graph of unconnected convolutions with weights of these shapes."""
    nodes, tensors = [], []
    for index, shape in enumerate(shapes):
        names = [f"w{index}", f"b{index}"]
        values = (np.ones(shape, np.float32), np.zeros(shape[0], np.float32))
        tensors += [onnx.numpy_helper.from_array(value, name) for name, value in zip(names, values)]
        nodes.append(onnx.helper.make_node("Conv", [f"x{index}", *names], [f"y{index}"]))
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], tensors)), path)
    return path


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "no such file"),
        (b"", "truncated or damaged|0 convolutions"),
        (b"\x08\x07junk", "damaged|0 conv"),
    ],
)
def test_a_file_that_is_no_graph_is_refused(tmp_path, content, what):
    path = tmp_path / "yolox.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=what):
        load_weights(create_model(NAME), path)


def test_another_network_s_graph_is_refused(tmp_path):
    path = write_graph(tmp_path / "other.onnx", STEM, (8, 16, 1, 1))
    with pytest.raises(UserError, match="2 convolutions, YOLOX-Nano has 113"):
        load_weights(create_model(NAME), path)


def test_a_model_without_a_place_for_it_is_named(tmp_path):
    path = write_graph(tmp_path / "yolox.onnx", STEM)
    with pytest.raises(UserError, match="MobileInst has no place for YOLOX's weights"):
        load_weights(create_model("mobileinst-topformer-tiny"), path)


@pytest.fixture(scope="session")
def published(data_root: Callable[[str], Path]) -> Path:
    """The published file."""
    return data_root("weights") / "yolox_nano.onnx"


def source_outputs(path: Path, image: np.ndarray, *names: str) -> list[np.ndarray]:
    """The file's own outputs, and inner tensors by name, for (1, 3, 416, 416) RGB."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load(str(path))
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"images": np.ascontiguousarray(image[:, ::-1])})


def neck_outputs(path: Path) -> list[str]:
    """The tensors that the three stems of the head read."""
    convs = [node for node in onnx.load(str(path)).graph.node if node.op_type == "Conv"]
    return [convs[index].input[0] for index in (77, 77 + 12, 77 + 24)]


@pytest.fixture(scope="session")
def loaded(published):
    model = create_model(NAME).eval()
    report = load_weights(model, published)
    assert len(report.loaded) == 2 * 113
    return model


def test_features_scores_and_boxes_are_the_source_s(published, loaded):
    rng = np.random.default_rng(0)
    # Blocks of colour: the detector answers to them, as it does not to noise.
    image = np.kron(rng.integers(0, 256, (1, 3, 13, 13)), np.ones((1, 1, 32, 32))).astype(np.float32)
    output, *necks = source_outputs(published, image, *neck_outputs(published))
    with torch.no_grad():
        _, *levels = loaded.backbone(torch.from_numpy(image))
        cells = loaded.read(loaded.head(levels))
    for level, neck in zip(levels, necks):
        assert np.abs(level.numpy() - neck).max() < 1e-4 * max(1.0, np.abs(neck).max())
    scores = output[0, :, 4:5] * output[0, :, 5:]
    assert scores.max() > 0.01
    assert np.abs(cells.scores[0].numpy() - scores).max() < 1e-4
    assert np.abs(cells.boxes[0].numpy() - decoded_boxes(output[0, :, :4])).max() < 1e-4


def decoded_boxes(raw: np.ndarray) -> np.ndarray:
    """YOLOX's own decoding at 416×416: x0, y0, x1, y1 as fractions."""
    sides = [416 // stride for stride in (8, 16, 32)]
    index = np.concatenate([np.arange(side * side) for side in sides])
    side = np.concatenate([np.full(side * side, side) for side in sides])
    centre = (raw[:, :2] + np.stack([index % side, index // side], axis=1)) / side[:, None]
    size = np.exp(raw[:, 2:]) / side[:, None]
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def test_a_model_of_other_classes_keeps_its_class_layers(published):
    model = create_model(NAME, num_classes=3)
    report = load_weights(model, published)
    assert report.other_classes == tuple(
        f"head.{level}.class_logits.{kind}" for level in range(3) for kind in ("weight", "bias")
    )
