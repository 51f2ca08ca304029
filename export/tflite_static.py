"""TFLite models whose layers compute in 8 bits: static ranges by AI Edge Quantizer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer.calibrator import Calibrator
from ai_edge_quantizer.recipe_manager import RecipeManager
from ai_edge_quantizer.utils.qsv_utils import min_max_update

from mobilevis.export.layers import LayerChoice
from mobilevis.export.tflite_graph import Kind, float_inputs, operator_kind, output_name
from mobilevis.runtime.arrays import Array

# They hand 8 bits on as 8 bits. With pooling, gates, slices and transpositions, too, encode takes 0.39 of
# fp32's time as without, in four XNNPACK delegates instead of one.
FOLLOWERS = (Kind.ADD, Kind.CONCATENATION, Kind.RELU, Kind.RESIZE_BILINEAR)


def computed_operators(model: schema.ModelT, choices: Collection[LayerChoice]) -> list[str]:
    """What computes in 8 bits, by its output's name: layers, their padding, and followers of such alone.

    Padding is an operator of its own before a strided convolution: encode takes 0.54 of fp32's time with it
    in float32, 0.44 where only that of the frame is, else 0.39 (192×384).
    """
    return [name for graph in model.subgraphs for name in _computed_in(model, graph, choices)]


def _computed_in(
    model: schema.ModelT, graph: schema.SubGraphT, choices: Collection[LayerChoice]
) -> Iterator[str]:
    inputs = [float_inputs(model, graph, operator) for operator in graph.operators]
    is_layer = [
        any(choice.computes(values) for values in read.values() if values.size for choice in choices)
        for read in inputs
    ]
    read_by_layers = {index for read, computes in zip(inputs, is_layer) if computes for index in read}
    carried = set[int]()
    for operator, read, computes in zip(graph.operators, inputs, is_layer):
        kind = operator_kind(model, operator)
        activations = [index for index, values in read.items() if not values.size]
        pads = kind == Kind.PAD and operator.outputs[0] in read_by_layers
        follows = kind in FOLLOWERS and bool(activations) and carried.issuperset(activations)
        if computes or pads or follows:
            carried.update(operator.outputs)
            yield output_name(graph, operator)


def measure_ranges(
    content: bytes, recipe: Sequence[Mapping[str, Any]], runs: Mapping[str, Sequence[Mapping[str, Array]]]
) -> dict[str, Any]:
    """Least and largest values of what a recipe puts in 8 bits: tensor → AI Edge Quantizer's statistics.

    ``Quantizer.calibrate`` takes moving averages of them, which single frames exceed.

    Args:
        content: a model in float32.
        recipe: as ``Quantizer.get_quantization_recipe`` gives it.
        runs: signature → inputs of its runs on real frames.
    """
    rules = RecipeManager()
    rules.load_quantization_recipe(recipe)
    calibrator = Calibrator(content, num_threads=1, qsv_update_func=min_max_update)
    calibrator.calibrate(runs, rules)
    ranges: dict[str, Any] = calibrator.get_model_qsvs()
    return ranges
