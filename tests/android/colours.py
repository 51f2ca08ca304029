"""Dense kernels that need no training: cells of a strong colour are objects, for golden.py."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from scripted import CELLS, PLACE, SLOTS
from torch import Tensor, nn
from torch.nn import functional

from mobilevis.models.entries import Entry, Shape
from mobilevis.models.mobileinst.dense import place_channels
from mobilevis.models.mobileinst.kernel_model import KernelModel

COLOURS = 3
GRIDS = {3: CELLS, 4: (1, 1), 5: (1, 1)}  # a detector's cell for each cell of the mask features, and two more
COARSE = 2
COUNT = CELLS[0] * CELLS[1] + COARSE
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
        places = np.hstack([squares, -2 * squares * centres, constant])
        self.places = _constant([places.T.reshape(PLACE, *CELLS)])
        boxes = np.hstack([centres + 0.5 - RADIUS, centres + 0.5 + RADIUS])
        self.cell_boxes = _constant([np.vstack([boxes, np.zeros((COARSE, 4))])])
        self.nothing = _constant(np.zeros((1, COARSE, COLOURS)))
        self.middle = _constant(np.broadcast_to(np.eye(9)[4].reshape(1, 1, 3, 3), (WIDTH, 1, 3, 3)))
        self.contrast = nn.Conv2d(COLOURS, COLOURS, 1)
        weight = 80 * np.eye(COLOURS) - 40 * (1 - np.eye(COLOURS))
        self.contrast.weight = _constant(weight[..., None, None])
        self.contrast.bias = _constant([-15.0] * COLOURS)

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Frames (1, 3, H, W) → mean colours and place, (1, 8, H/8, W/8); boxes and objectness of every cell;
        the kernels of the finest level's cells as its stem, nothing for the others'; and towers, likewise."""
        colours = functional.avg_pool2d(frame, 8) * SCALE
        objectness = self._score(colours).amax(2, keepdim=True).clamp(min=0.1)
        boxes = self.cell_boxes + 0 * objectness  # exporters want an output to depend on an input
        stems = torch.cat([colours, self.places], dim=1), *self._coarse(colours)
        mask_features = torch.cat([colours, place_channels(colours)], dim=1)
        return mask_features, boxes, objectness, *stems, *(0.5 * stem[:, :1] for stem in stems)

    def decode(self, stem3: Tensor, stem4: Tensor, stem5: Tensor) -> tuple[Tensor, ...]:
        """Stems → scores of every cell, and class towers."""
        towers = (0.25 * stem[:, :1] for stem in (stem3, stem4, stem5))
        return self._score(stem3[:, :COLOURS]), *towers

    def describe(
        self, boxes: Tensor, levels: Tensor, inside: Tensor, *patches: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Patches of chosen cells → kernels (1, S, 8) and embeddings (1, S, 3): what is in their middle."""
        stems, classes, others = patches
        unread = 0 * (boxes.sum() + inside.sum() + classes.sum() + others.sum())
        own = functional.conv2d(stems, self.middle, stride=3, groups=WIDTH) * levels[:, :1]
        kernels = own[:, :, 0].transpose(1, 2) + unread
        return kernels, kernels[..., :COLOURS]

    def _score(self, colours: Tensor) -> Tensor:
        scores = self.contrast(colours).sigmoid().flatten(2).transpose(1, 2)
        return torch.cat([scores, self.nothing], dim=1)

    def _coarse(self, colours: Tensor) -> list[Tensor]:
        """Stems of strides 16 and 32, of one cell each."""
        return [torch.cat([0 * colours[..., :1, :1], 0 * self.places[..., :1, :1]], dim=1) for _ in range(2)]

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        located = {"boxes": (1, COUNT, 4), "objectness": (1, COUNT, 1)}
        return {"mask_features": (1, WIDTH, *CELLS), **located, **_maps("stem", WIDTH), **_maps("tower", 1)}

    def decoded_features(self) -> tuple[str, ...]:
        return tuple(_maps("stem", WIDTH))

    def decoded_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        return {"scores": (1, COUNT, COLOURS), **_maps("class_tower", 1)}

    def further_entries(self, input_size: tuple[int, int], max_instances: int) -> dict[str, Entry]:
        across = 3 * max_instances
        given = {"chosen_boxes": (1, max_instances, 4), "levels": (1, 3, 1, max_instances)}
        given |= {"inside": (1, 1, 3, across), "stem_patches": (1, WIDTH, 3, across)}
        given |= {"class_patches": (1, 1, 3, across), "box_patches": (1, 1, 3, across)}
        described = {"kernels": (1, max_instances, WIDTH), "embeddings": (1, max_instances, COLOURS)}
        return {"describe": Entry("describe", given, described)}


def _maps(name: str, channels: int) -> dict[str, Shape]:
    """The shapes of what is said of each level's cells."""
    return {f"{name}{level}": (1, channels, *grid) for level, grid in GRIDS.items()}


def _constant(values: ArrayLike) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.asarray(values, np.float32)), requires_grad=False)
