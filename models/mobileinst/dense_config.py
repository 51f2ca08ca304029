"""The architecture of MobileInst with dense kernels, as a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from mobilevis.models.backbones.yolox import STRIDES
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.mobileinst.kernel_model import MASK_STRIDE
from mobilevis.models.mobileinst.propagation import PropagationConfig

DENSE_BACKBONES = ("yolox-nano",)
INSTANCE_DECODERS = ("dense",)


@dataclass(frozen=True)
class DenseMobileInstConfig:
    """The architecture.

    Attributes:
        backbone: one of ``DENSE_BACKBONES``.
        num_classes: C.
        instance_decoder: ``dense``.
        dim: D, learned channels of kernels and mask features.
        mask_width: channels of the mask branch at strides 8 to 32.
        mask_stride: of the mask features, 4, or 8, whose masks are enlarged to 4.
        mask_depth: separable 5×5 blocks there; each sees 32 pixels further, for 1 % of the network's work.
        embedding_dim: E, numbers that tell objects apart.
        cell_width: channels of the towers that read a kernel and an embedding from a cell.
        propagation: a light encoder for the frames between keyframes; None for none.
    """

    backbone: str = "yolox-nano"
    num_classes: int = 80
    instance_decoder: str = "dense"
    dim: int = 32
    mask_width: int = 64
    mask_stride: int = MASK_STRIDE
    mask_depth: int = 3
    embedding_dim: int = 32
    cell_width: int = 64
    propagation: Optional[PropagationConfig] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "propagation", PropagationConfig.read(self.propagation))
        check_known("backbone", self.backbone, DENSE_BACKBONES)
        check_known("instance_decoder", self.instance_decoder, INSTANCE_DECODERS)
        if self.mask_stride not in (MASK_STRIDE, STRIDES[0]):
            raise ValueError(f"mask_stride {self.mask_stride!r} is neither {MASK_STRIDE} nor {STRIDES[0]}")
        for key in ("num_classes", "dim", "mask_width", "mask_depth", "embedding_dim", "cell_width"):
            check_positive(key, getattr(self, key))
