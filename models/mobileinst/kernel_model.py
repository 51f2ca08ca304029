"""What models share that segment with kernels: each frame's mask features times the keyframe's kernels."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from mobilevis.models.blocks.resampling import resize
from mobilevis.models.checks import check_positive
from mobilevis.models.entries import Entry, Shape, StreamingModel

KEYFRAME_INTERVAL = 3  # the best of MobileInst's Table 7
MAX_INSTANCES = 20


class KernelModel(StreamingModel):
    """A model with the entries ``encode``, ``decode`` and ``segment`` that the ``mobileinst`` driver runs.

    Attributes:
        num_queries: N, slots that ``decode`` fills.
        dim: D, channels of kernels and mask features.
    """

    driver = "mobileinst"
    size_multiple = 64
    num_queries: int
    dim: int

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        """What ``encode`` returns at one input size, in order; ``mask_features`` among them."""
        raise NotImplementedError

    def decoded_features(self) -> tuple[str, ...]:
        """Names of the features that ``decode`` takes, in order."""
        raise NotImplementedError

    def segment(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, S, D), any S, and mask features (B, D, H/8, W/8) → mask logits (B, S, H/4, W/4).

        MobileInst's Eq. 2, then bilinear ×2.
        """
        height, width = mask_features.shape[-2:]
        masks = torch.bmm(kernels, mask_features.flatten(2))
        return resize(masks.view(-1, kernels.shape[1], height, width), (2 * height, 2 * width))

    def entries(  # type: ignore[override]  # a family names its own options
        self,
        input_size: tuple[int, int],
        max_instances: Optional[int] = MAX_INSTANCES,
        keyframe_interval: int = KEYFRAME_INTERVAL,
    ) -> dict[str, Entry]:
        """``encode``, ``decode`` and ``segment`` at one input size, for at most ``max_instances`` live slots.

        The entries are the same for every ``keyframe_interval``, the driver's T.

        Raises:
            ValueError: a side is no multiple of 64, ``max_instances`` is not in 1…N, or T not positive.
        """
        check_positive("keyframe_interval", keyframe_interval)
        height, width = input_size
        if height < 64 or width < 64 or height % 64 or width % 64:
            raise ValueError(f"input size {height}x{width}: both sides must be multiples of 64")
        S = self._live_slots(max_instances)
        features = self.feature_shapes(input_size)
        kernels = {"kernels": (1, self.num_queries, self.dim)}
        live = {"kernels": (1, S, self.dim), "mask_features": features["mask_features"]}
        return {
            "encode": Entry("encode", {"frame": (1, 3, height, width)}, features),
            "decode": Entry(
                "decode",
                {name: features[name] for name in self.decoded_features()},
                {**kernels, "scores": (1, self.num_queries, self.num_classes)},
            ),
            "segment": Entry("segment", live, {"mask_logits": (1, S, height // 4, width // 4)}),
        }

    def driver_options(  # type: ignore[override]
        self,
        input_size: tuple[int, int],
        max_instances: Optional[int] = MAX_INSTANCES,
        keyframe_interval: int = KEYFRAME_INTERVAL,
    ) -> dict[str, Any]:
        """What the ``mobileinst`` driver reads: sizes, score rule, the default T and the masks' stride."""
        return {
            "num_queries": self.num_queries,
            "max_instances": self._live_slots(max_instances),
            "kernel_dim": self.dim,
            "score_rule": "sqrt(class*objectness)",
            "keyframe_interval": keyframe_interval,
            "mask_stride": 4,
        }

    def _live_slots(self, max_instances: Optional[int]) -> int:
        S = self.num_queries if max_instances is None else max_instances
        if not 1 <= S <= self.num_queries:
            raise ValueError(f"max_instances {S} is not in 1…{self.num_queries}, the number of queries")
        return S
