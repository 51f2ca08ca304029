"""Profiles: hand-computed counts, and every figure that the papers print."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobilevis.benchmarks.cost.paper_flops import ABLATION_ROWS, BACKBONE_ROWS, FLAGSHIP
from mobilevis.benchmarks.cost.profiling import Cost, count_operations, profile_model
from mobilevis.models import create_model
from mobilevis.models.blocks.layers import ConvNorm
from mobilevis.models.blocks.resampling import resize


class Example(nn.Module):
    """A convolution with norm of 3 → 4 channels, one weight that is used twice, bilinear upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 4, kernel_size=3, stride=2)
        self.shared = nn.Linear(16, 16)

    def look(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = self.shared(self.shared(x))
        return resize(torch.matmul(x, x.transpose(-1, -2)), (32, 32))


def test_operations_are_counted_by_hand():
    costs = count_operations(Example(), [(1, 3, 32, 32)], method="look")
    convolution = 4 * 3 * 9 * 16 * 16
    norm = 2 * 4 * 16 * 16
    products = 4 * 16 * 16 * 16
    upsampled = 4 * 4 * 32 * 32
    assert costs["stem.conv"] == Cost(convolution, convolution)
    assert costs["stem.norm"] == Cost(0, norm)
    assert costs["stem"] == Cost()
    assert costs["shared"] == Cost(2 * products, 2 * products)
    assert costs[""] == Cost(products, products + upsampled)


def test_counting_leaves_the_module_as_it_was():
    module = Example().train()
    count_operations(module, [(2, 3, 32, 32)], method="look")
    assert module.training
    assert all(parameter.device.type == "cpu" for parameter in module.parameters())


@pytest.mark.parametrize("depth", [1, 9])
def test_each_parameter_and_operation_is_in_exactly_one_block(depth):
    model = create_model("mobileinst-seaformer-tiny", num_queries=10)
    profile = profile_model(model, (64, 128), depth)
    assert profile.parameters == sum(parameter.numel() for parameter in model.parameters())
    whole = sum(count_operations(model, [(1, 3, 64, 128)]).values(), Cost())
    assert profile.cost == whole
    assert {row.block for row in profile.blocks if row.block.count(".") >= depth} == set()


def test_a_block_belongs_to_the_entry_that_runs_it():
    profile = profile_model(create_model("mobileinst-topformer-tiny"), (64, 128), depth=1)
    assert [(row.entry, row.block) for row in profile.blocks] == [
        ("encode", "backbone"),
        ("encode", "global_projection"),
        ("encode", "mask_decoder"),
        ("decode", "instance_decoder"),
        ("segment", ""),
    ]


def test_fewer_masks_cost_fewer_products():
    model = create_model("mobileinst-topformer-tiny", num_queries=100)
    whole, part = (profile_model(model, (64, 128), max_instances=n).cost for n in (None, 20))
    positions = 8 * 16
    assert whole.macs - part.macs == 80 * model.dim * positions
    assert whole.fvcore_flops - part.fvcore_flops == 80 * model.dim * positions + 80 * 4 * 4 * positions


def test_a_profile_tells_one_level_or_more():
    with pytest.raises(ValueError, match="depth 0"):
        profile_model(create_model("mobileinst-topformer-tiny"), (64, 128), depth=0)


@pytest.fixture(scope="module")
def flagship() -> float:
    return FLAGSHIP.measure().fvcore_flops / 1e9


def test_the_flagship_has_the_papers_flops(flagship):
    assert flagship == pytest.approx(FLAGSHIP.gflops, abs=0.05)


@pytest.mark.parametrize("row", ABLATION_ROWS, ids=lambda row: f"table {row.table}, {row.name}")
def test_an_ablation_differs_from_the_flagship_by_what_the_paper_says(row, flagship):
    ours = row.measure().fvcore_flops / 1e9 - flagship
    assert ours == pytest.approx(row.gflops - FLAGSHIP.gflops, abs=0.02)


@pytest.mark.parametrize("row", BACKBONE_ROWS, ids=lambda row: f"{row.backbone}, {row.task} {row.input_size}")
def test_a_backbone_has_its_published_size_and_operations(row):
    assert row.as_printed(*row.measure()) == (row.megaparameters, row.gflops)
