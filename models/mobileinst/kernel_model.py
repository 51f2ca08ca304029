"""What models share that segment with kernels: each frame's mask features times the keyframe's kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional

import torch
from torch import Tensor, nn

from mobilevis.models.blocks.resampling import resize
from mobilevis.models.checks import check_positive
from mobilevis.models.entries import Entry, Shape, Streaming, StreamingModel

KEYFRAME_INTERVAL = 3  # the best of MobileInst's Table 7
MASK_STRIDE = 4  # input pixels for each cell of a mask


class KernelModel(StreamingModel):
    """A model with the entries ``encode``, ``decode`` and ``segment`` that the ``mobileinst`` driver runs.

    With ``propagation`` it has a fourth, ``propagate``, which serves in ``encode``'s place between keyframes.

    Attributes:
        dim: D, learned channels of kernels and mask features.
        propagation: of mask features from the keyframe to another frame; None where every frame is encoded.
        encode: from frames (B, 3, H, W), RGB in [0, 255], to what ``feature_shapes`` names.
        decode: of learned queries from the features that ``decoded_features`` names to kernels (B, N, D) and
            scores (B, N, C).
        kernels_hold_places: whether a kernel says where its object is, and must be moved with it.
    """

    driver = "mobileinst"
    size_multiple = 64
    usual_instances = 20
    kernels_hold_places = False
    dim: int
    encode: Callable[[Tensor], tuple[Tensor, ...]]
    decode: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()
        self.propagation: Optional[nn.Module] = None

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        """What ``encode`` returns at one input size, in order; ``mask_features`` among them."""
        raise NotImplementedError

    def decoded_features(self) -> tuple[str, ...]:
        """Names of the features that ``decode`` takes, in order."""
        raise NotImplementedError

    def keyframe_entries(self, input_size: tuple[int, int]) -> dict[str, Entry]:
        """What runs on keyframes alone, between ``encode`` and ``segment``."""
        features = self.feature_shapes(input_size)
        decoded = {
            "kernels": (1, self.num_queries, self.dim),
            "scores": (1, self.num_queries, self.num_classes),
        }
        return {
            "decode": Entry("decode", {name: features[name] for name in self.decoded_features()}, decoded)
        }

    def named_features(self, frames: Tensor) -> dict[str, Tensor]:
        """What ``encode`` says of frames (B, 3, H, W), RGB in [0, 255], by name."""
        names = self.feature_shapes((frames.shape[-2], frames.shape[-1]))
        return dict(zip(names, self.encode(frames)))

    def best_kernels(self, features: Mapping[str, Tensor], most: int) -> tuple[Tensor, Tensor]:
        """Of what ``encode`` says of B frames, by name: the kernels (B, n, K) of the best scores (B, n), by
        falling score, n being ``most`` or as many as there are."""
        kernels, scores = self.decode(*(features[name] for name in self.decoded_features()))
        sure, best = scores.amax(2).topk(min(most, scores.shape[1]), dim=1)
        return torch.gather(kernels, 1, best[:, :, None].expand(-1, -1, kernels.shape[2])), sure

    def propagate(self, frame: Tensor, keyframe_features: Tensor) -> Tensor:
        """Frames (B, 3, H, W), RGB in [0, 255], and the mask features of their keyframe, of the shape that
        ``encode`` gives them → their own mask features, of that shape; needs ``propagation``."""
        assert self.propagation is not None
        return self.propagation(frame, keyframe_features)

    def segment(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, S, D), any S, and mask features (B, D, H/8, W/8) → mask logits (B, S, H/4, W/4).

        MobileInst's Eq. 2, then bilinear ×2.
        """
        height, width = mask_features.shape[-2:]
        masks = torch.bmm(kernels, mask_features.flatten(2))
        return resize(masks.view(-1, kernels.shape[1], height, width), (2 * height, 2 * width))

    def build_streaming(
        self,
        input_size: tuple[int, int],
        max_instances: int,
        keyframe_interval: int = KEYFRAME_INTERVAL,
    ) -> Streaming:
        """``encode``, ``decode``, ``segment`` and, where the model has it, ``propagate``, at one input size.

        The entries are the same for every ``keyframe_interval``, the driver's T.

        Raises:
            ValueError: T is not positive.
        """
        check_positive("keyframe_interval", keyframe_interval)
        height, width = input_size
        features = self.feature_shapes(input_size)
        mask_features = features["mask_features"]
        live = {"kernels": (1, max_instances, mask_features[1]), "mask_features": mask_features}
        masks = (1, max_instances, height // MASK_STRIDE, width // MASK_STRIDE)
        entries = {
            "encode": Entry("encode", {"frame": (1, 3, height, width)}, features),
            **self.keyframe_entries(input_size),
            "segment": Entry("segment", live, {"mask_logits": masks}),
        }
        if self.propagation is not None:
            given = {"frame": (1, 3, height, width), "keyframe_features": mask_features}
            entries["propagate"] = Entry("propagate", given, {"mask_features": mask_features})
        options = {
            "max_instances": max_instances,
            "keyframe_interval": keyframe_interval,
            "mask_stride": MASK_STRIDE,
        }
        # The gate runs every entry: on keyframes alone it would not meet ``propagate``.
        gate = {"keyframe_interval": max(2, keyframe_interval)} if "propagate" in entries else {}
        return Streaming(entries, options, gate)
