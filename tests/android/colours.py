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
SCORED, DESCRIBED = 40, 2  # cells of a level that a run takes: some frames need several runs of each entry
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
        self.contrast = nn.Conv2d(COLOURS, COLOURS, 1)
        weight = 80 * np.eye(COLOURS) - 40 * (1 - np.eye(COLOURS))
        self.contrast.weight = _constant(weight[..., None, None])
        self.contrast.bias = _constant([-15.0] * COLOURS)

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Frames (1, 3, H, W) → mean colours and place, (1, 8, H/8, W/8); boxes and objectness of every cell;
        the kernels of the finest level's cells as its stem, nothing for the others'; and towers, likewise."""
        colours = functional.avg_pool2d(frame, 8) * SCALE
        stems = torch.cat([colours, self.places], dim=1), *self._coarse(colours)
        scores = torch.cat([self._score(stem[:, :COLOURS]).flatten(2) for stem in stems], dim=2)
        objectness = scores.transpose(1, 2).amax(2, keepdim=True).clamp(min=0.1)
        boxes = self.cell_boxes + 0 * objectness  # exporters want an output to depend on an input
        mask_features = torch.cat([colours, place_channels(colours)], dim=1)
        known = [stem.permute(0, 2, 3, 1) for stem in (*stems, *(0.5 * stem[:, :1] for stem in stems))]
        return mask_features, boxes, objectness, *known

    def decode(self, objectness: Tensor, inside: Tensor, stems: Tensor) -> Tensor:
        """Scores of likely cells (1, 3·P, 3): what their stems say."""
        own = self._middles(stems, objectness, inside)
        return self._score(own[:, :COLOURS]).flatten(2).transpose(1, 2)

    def describe(self, boxes: Tensor, inside: Tensor, stems: Tensor, towers: Tensor) -> tuple[Tensor, Tensor]:
        """Kernels (1, 3·Q, 8) and embeddings (1, 3·Q, 3) of chosen cells: what their stems say."""
        kernels = self._middles(stems, boxes, inside, towers)[..., 0].transpose(1, 2)
        return kernels, kernels[..., :COLOURS]

    def _score(self, colours: Tensor) -> Tensor:
        """(1, 3, h, w) → scores, likewise."""
        return self.contrast(colours).sigmoid()

    def _middles(self, stems: Tensor, *others: Tensor) -> Tensor:
        """Stems around cells (P, n, n, 3·8), and what is not read → the cells' own, (1, 8, 3·P, 1)."""
        middle = stems.shape[1] // 2
        own = stems[:, middle : middle + 1, middle : middle + 1].reshape(1, -1, WIDTH, 1)
        return own.transpose(1, 2) + 0 * sum(x.sum() for x in others)

    def _coarse(self, colours: Tensor) -> list[Tensor]:
        """Stems of strides 16 and 32, of one cell each."""
        return [torch.cat([0 * colours[..., :1, :1], 0 * self.places[..., :1, :1]], dim=1) for _ in range(2)]

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        located = {"boxes": (1, COUNT, 4), "objectness": (1, COUNT, 1)}
        return {"mask_features": (1, WIDTH, *CELLS), **located, **_maps("stem", WIDTH), **_maps("tower", 1)}

    def keyframe_entries(self, input_size: tuple[int, int]) -> dict[str, Entry]:
        levels = len(GRIDS)
        scored, described = levels * SCORED, levels * DESCRIBED
        likely = {"likely_objectness": (1, scored, 1), "likely_inside": (SCORED, levels, 5, 5)}
        likely["likely_stems"] = (SCORED, 5, 5, levels * WIDTH)
        chosen = {"chosen_boxes": (1, described, 4), "chosen_inside": (DESCRIBED, levels, 7, 7)}
        chosen["chosen_stems"] = (DESCRIBED, 7, 7, levels * WIDTH)
        chosen["chosen_towers"] = (DESCRIBED, 3, 3, levels)
        read = {"kernels": (1, described, WIDTH), "embeddings": (1, described, COLOURS)}
        return {
            "decode": Entry("decode", likely, {"scores": (1, scored, COLOURS)}),
            "describe": Entry("describe", chosen, read),
        }


def _maps(name: str, channels: int) -> dict[str, Shape]:
    """The shapes of what is said of each level's cells."""
    return {f"{name}{level}": (1, *grid, channels) for level, grid in GRIDS.items()}


def _constant(values: ArrayLike) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.asarray(values, np.float32)), requires_grad=False)
