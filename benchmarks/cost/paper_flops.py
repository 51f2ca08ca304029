"""Sizes and operations that the papers print, and ours beside them.

MobileInst's tables (arXiv:2303.17594) are at 320×640 and count as fvcore does: Table 5's three further 3×3
convolutions of 256 channels are 5.66 G = 3 · 9 · 256² · (40 · 80) multiply-adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn

from mobilevis.benchmarks.cost.backbone_heads import (
    SeaFormerClassifier,
    SeaFormerSegmenter,
    TopFormerSegmenter,
)
from mobilevis.benchmarks.cost.profiling import Cost, count_operations
from mobilevis.models.mobileinst.mobileinst import MobileInst, MobileInstConfig

MODEL = "mobileinst-topformer-base"
INPUT_SIZE = (320, 640)


@dataclass(frozen=True)
class AblationRow:
    """A row of MobileInst's Tables 3 to 6 on COCO.

    Attributes:
        table: number of the table.
        name: the row.
        gflops: as printed, to 0.01 G.
        config: our configuration of it: what differs from the defaults of ``MODEL``.
    """

    table: int
    name: str
    gflops: float
    config: Mapping[str, Any] = field(default_factory=dict)

    def measure(self) -> Cost:
        """Ours, at ``INPUT_SIZE`` with a mask for each query."""
        return _keyframe_cost(MobileInstConfig(**self.config))


@cache
def _keyframe_cost(config: MobileInstConfig) -> Cost:
    """Four rows are the same configuration."""
    with torch.device("meta"):
        model = MobileInst(config)
    return sum(count_operations(model, [(1, 3, *INPUT_SIZE)]).values(), Cost())


def _plain(table: int, name: str, gflops: float, **config: Any) -> AblationRow:
    """A row without semantic enhancers, as Tables 3, 4 and 6 have them."""
    return AblationRow(table, name, gflops, {"mask_decoder": "iterative", **config})


FLAGSHIP = AblationRow(5, "ours w/ SE", 8.79)

# Table 3's row with one local decoder prints no legible figure.
ABLATION_ROWS = (
    _plain(3, "global", 8.69, instance_decoder="global"),
    _plain(3, "global ×2", 8.75, instance_decoder="global-global"),
    _plain(3, "local ×2", 8.74, instance_decoder="local-local"),
    _plain(3, "global, local", 8.75),
    _plain(4, "no pooling", 9.32, pooling="none"),
    _plain(4, "4×4 max", 8.77, pooling="max4"),
    _plain(4, "8×8 max", 8.75, pooling="max8"),
    _plain(4, "8×8 avg", 8.75, pooling="avg8"),
    AblationRow(5, "SparseInst, 4×conv", 12.38, {"mask_decoder": "sparseinst-4conv"}),
    AblationRow(5, "SparseInst, 1×conv", 6.72, {"mask_decoder": "sparseinst-1conv"}),
    AblationRow(5, "FPN, 1×conv", 6.69, {"mask_decoder": "fpn-1conv"}),
    _plain(5, "ours", 8.75),
    FLAGSHIP,
    _plain(6, "200 queries", 8.97, num_queries=200),
    _plain(6, "100 queries", 8.75, num_queries=100),
    _plain(6, "50 queries", 8.65, num_queries=50),
    _plain(6, "20 queries", 8.59, num_queries=20),
)


@dataclass(frozen=True)
class BackboneRow:
    """A published size of a backbone with its head.

    Attributes:
        task: ``seg``, ADE20K's segmentation, or ``cls``, ImageNet's classification.
        backbone: the size, such as ``topformer-tiny``.
        head: class of the backbone with its head; it takes the size's name.
        input_size: side of the square input.
        megaparameters: as printed, to 0.1 M.
        gflops: as printed, to 0.1 G.
        rounded_up: multiply-adds, and all figures rounded up; else fvcore's FLOPs, and rounded to nearest.
    """

    task: str
    backbone: str
    head: Callable[[str], nn.Module]
    input_size: int
    megaparameters: float
    gflops: float
    rounded_up: bool = False

    def measure(self) -> tuple[int, Cost]:
        """Ours: parameters and operations."""
        with torch.device("meta"):
            model = self.head(self.backbone.partition("-")[2])
        operations = count_operations(model, [(1, 3, self.input_size, self.input_size)])
        return sum(parameter.numel() for parameter in model.parameters()), sum(operations.values(), Cost())

    def as_printed(self, parameters: int, cost: Cost) -> tuple[float, float]:
        """Ours in the row's units, convention and rounding: (megaparameters, GFLOPs)."""
        figures = (parameters / 1e5, (cost.macs if self.rounded_up else cost.fvcore_flops) / 1e8)
        tenths = [math.ceil(figure) if self.rounded_up else round(figure) for figure in figures]
        return tenths[0] / 10, tenths[1] / 10


def _topformer(size: str, input_size: int, megaparameters: float, gflops: float) -> BackboneRow:
    """A row of TopFormer's Table 1 (arXiv:2204.05525).

    The table does not say how it counts. Rounding the multiply-adds and the parameters up gives each of its
    figures; rounding to nearest does not: small has 3.035 M for its 3.1, and tiny at 448² has 0.41 GMAC, 0.44
    in fvcore's convention, for its 0.5.
    """
    return BackboneRow(
        "seg", f"topformer-{size}", TopFormerSegmenter, input_size, megaparameters, gflops, True
    )


def _seaformer(
    size: str, segmenter: tuple[float, float], classifier: tuple[float, float]
) -> tuple[BackboneRow, BackboneRow]:
    """Rows of SeaFormer's tables on ADE20K and ImageNet (arXiv:2301.13156): megaparameters, GFLOPs."""
    name = f"seaformer-{size}"
    return (
        BackboneRow("seg", name, SeaFormerSegmenter, 512, *segmenter),
        BackboneRow("cls", name, SeaFormerClassifier, 224, *classifier),
    )


BACKBONE_ROWS = (
    _topformer("tiny", 448, 1.4, 0.5),
    _topformer("tiny", 512, 1.4, 0.6),
    _topformer("small", 512, 3.1, 1.2),
    _topformer("base", 512, 5.1, 1.8),
    *_seaformer("tiny", (1.7, 0.6), (1.8, 0.1)),
    *_seaformer("small", (4.0, 1.1), (4.1, 0.2)),
    *_seaformer("base", (8.6, 1.8), (8.7, 0.3)),
    *_seaformer("large", (14.0, 6.5), (14.0, 1.2)),
)
