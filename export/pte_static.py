"""ExecuTorch programs whose layers compute in 8 bits: PT2E quantisation for XNNPACK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import QuantizationConfig
from torch.export import ExportedProgram
from torch.fx import GraphModule
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from mobilevis.export.layers import LayerChoice
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.arrays import Array

aten = torch.ops.aten
LAYERS = (aten.conv2d.default, aten.conv_transpose2d.input, aten.linear.default)
# They hand 8 bits on as 8 bits; the quantiser knows no resizing.
FOLLOWERS = (aten.add.Tensor, aten.cat.default, aten.relu.default)
DEQUANTISE = torch.ops.quantized_decomposed.dequantize_per_tensor.default

# Of a weight's grid. The quantiser's own, 2^-12, is coarser than GPTQ's grid in 2705 of 12688 channels of
# mobileinst-topformer-tiny; biases, stored in 32 bits in steps of weight times input, limit it from below.
SMALLEST_STEP = 2.0**-18


def quantise(
    item: TracedEntry, inputs: Sequence[Mapping[str, Array]], choice: LayerChoice
) -> ExportedProgram:
    """A program with weights by channel and activations by tensor in 8 bits where its layers compute so.

    Args:
        item: an entry.
        inputs: of its runs on real frames; the ranges of activations are measured on them.
        choice: which of its layers compute in 8 bits.
    """
    computed = computed_nodes(item.program, choice)
    if not computed:
        return item.program
    quantizer = XNNPACKQuantizer()
    quantizer.set_global(eight_bits())
    # Asked of a layer's weights, too, which have no name that says whose they are.
    quantizer.set_filter_function(lambda node: node.op == "get_attr" or node.name in computed)
    prepared = prepare_pt2e(item.program.module(), quantizer)
    with torch.no_grad():
        for run in inputs:
            prepared(**{name: torch.from_numpy(array) for name, array in run.items()})
        converted = convert_pt2e(prepared)
        part_readers(converted)
        return torch.export.export(converted, (), item.sample_inputs)


def eight_bits() -> QuantizationConfig:
    """Signed: weights on the grid that ``export.rounding`` leaves, activations from least to largest."""
    config = get_symmetric_quantization_config(is_per_channel=True)
    activation = replace(config.input_activation, observer_or_fake_quant_ctr=MinMaxObserver)
    weight = replace(
        config.weight, observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=SMALLEST_STEP)
    )
    return replace(config, input_activation=activation, output_activation=activation, weight=weight)


def part_readers(module: GraphModule) -> None:
    """Give each reader of a tensor of 8 bits its own dequantisation, in place.

    ExecuTorch's ``ChannelsLastTaggedReshapePass`` (1.4.1) puts a copy to another memory layout, needed by one
    reader of a dequantised tensor, before all of them: a pooling beside an entry's output then reads channels
    first, and XNNPACK refuses the shapes when the entry runs.
    """
    for node in list(module.graph.nodes):
        if node.target is DEQUANTISE:
            for reader in list(node.users)[1:]:
                with module.graph.inserting_after(node):
                    reader.replace_input_with(node, module.graph.node_copy(node))
    module.recompile()


def computed_nodes(program: ExportedProgram, choice: LayerChoice) -> set[str]:
    """The layers that compute in 8 bits, and the followers whose inputs all come from such, by name."""
    weights = program.graph_signature.inputs_to_parameters
    names = set[str]()
    for node in program.graph.nodes:
        if node.target in LAYERS:
            name = weights.get(node.args[1].name)
            tensor = None if name is None else program.state_dict[name]
            is_computed = tensor is not None and choice.computes(tensor.detach().numpy())
        else:
            is_computed = node.target in FOLLOWERS and names.issuperset(n.name for n in node.all_input_nodes)
        if is_computed:
            names.add(node.name)
    return names
