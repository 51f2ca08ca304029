"""Dense kernels that need no training: cells of a strong colour are objects, for golden.py."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from scripted import CELLS, PLACE, SLOTS
from torch import Tensor, nn
from torch.nn import functional

from mobilevis.models.entries import Shape
from mobilevis.models.mobileinst.dense import place_channels
from mobilevis.models.mobileinst.kernel_model import KernelModel

COLOURS = 3
COUNT = CELLS[0] * CELLS[1]  # a detector's cell for each cell of the mask features
WIDTH = COLOURS + PLACE  # of a kernel
RADIUS = np.array([0.11, 0.2])  # of every object, (x, y) as fractions of the input
# Faint beside the place: masks of few pixels must not hang on a grey level at their edge.
SCALE = 0.3 / 255


class ColourDetector(KernelModel):
    """An object is what is red, green or blue alone; its mask is an ellipse around its cell."""

    driver = "mobileinst-dense"
    num_queries = usual_instances = SLOTS
    num_classes = dim = COLOURS

    def __init__(self) -> None:
        super().__init__()
        y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in CELLS)
        centres = np.stack([np.tile(x, CELLS[0]), np.repeat(y, CELLS[1])], axis=1)
        squares = np.broadcast_to(-16 / RADIUS**2, centres.shape)
        constant = 8 + (squares * centres**2).sum(axis=1, keepdims=True)
        self.places = _constant([np.hstack([squares, -2 * squares * centres, constant])])
        self.cell_boxes = _constant([np.hstack([centres + 0.5 - RADIUS, centres + 0.5 + RADIUS])])
        self.contrast = nn.Conv2d(COLOURS, COLOURS, 1)
        weight = 80 * np.eye(COLOURS) - 40 * (1 - np.eye(COLOURS))
        self.contrast.weight = _constant(weight[..., None, None])
        self.contrast.bias = _constant([-15.0] * COLOURS)

    def encode(self, frame: Tensor) -> Tensor:
        """Frames (B, 3, H, W) → mean colours and place, (B, 8, H/8, W/8)."""
        colours = functional.avg_pool2d(frame, 8) * SCALE
        return torch.cat([colours, place_channels(colours)], dim=1)

    def decode(self, mask_features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mask features → kernels, scores, boxes and embeddings of every cell."""
        colours = mask_features[:, :COLOURS]
        scores = self.contrast(colours).sigmoid().flatten(2).transpose(1, 2)
        embeddings = colours.flatten(2).transpose(1, 2)
        kernels = torch.cat([embeddings, self.places], dim=2)
        boxes = self.cell_boxes + 0 * embeddings[..., :1]  # exporters want an output to depend on an input
        return kernels, scores, boxes, embeddings

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        return {"mask_features": (1, WIDTH, *CELLS)}

    def decoded_features(self) -> tuple[str, ...]:
        return ("mask_features",)

    def decoded_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        widths = {"kernels": WIDTH, "scores": COLOURS, "boxes": 4, "embeddings": COLOURS}
        return {name: (1, COUNT, width) for name, width in widths.items()}


def _constant(values: ArrayLike) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.asarray(values, np.float32)), requires_grad=False)
