"""Seeded YouTube-VIS data with everything that an evaluator must get right, made from ``random()`` alone.

``random.Random.random`` is the one generator that Python promises never to change, so a seed is a data set
and the references' figures for it can be stored.
"""

from __future__ import annotations

import random
from typing import Any, Optional

import numpy as np

from mobilevis.runtime import rle

HEIGHT, WIDTH = 300, 420  # large enough for areas beyond 256²
Box = tuple[int, int, int, int]


class Dice(random.Random):
    """Draws built on ``random()``."""

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self.random() * n)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def pick(self, items: list[Any]) -> Any:
        """One of the items."""
        return items[self.below(len(items))]


def _mask(box: Box) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    pixels = np.ones((y1 - y0, x1 - x0), dtype=bool)
    pixels[: (y1 - y0) // 3, : (x1 - x0) // 4] = False
    return rle.encode_in_box(pixels, box, (HEIGHT, WIDTH))


def _box(dice: Dice) -> Box:
    side = dice.pick([30, 100, 160, 250, 290])
    width = 4 + side // 2 + dice.below(side * 2 // 3)
    height = 4 + side // 2 + dice.below(side // 2 - 4)
    x0, y0 = dice.below(WIDTH - width), dice.below(HEIGHT - height)
    return x0, y0, x0 + width, y0 + height


def _jitter(dice: Dice, box: Box, amount: int) -> Box:
    dx, dy = dice.below(2 * amount + 1) - amount, dice.below(2 * amount + 1) - amount
    x0, y0 = max(0, min(box[0] + dx, WIDTH - 4)), max(0, min(box[1] + dy, HEIGHT - 4))
    return x0, y0, max(x0 + 3, min(box[2] + dx, WIDTH)), max(y0 + 3, min(box[3] + dy, HEIGHT))


def _track(dice: Dice, length: int, holes: float) -> list[Optional[Box]]:
    box = _box(dice)
    return [None if dice.chance(holes) else _jitter(dice, box, 3) for _ in range(length)]


def _segmentations(dice: Dice, boxes: list[Optional[Box]]) -> list[Any]:
    empty = {"size": [HEIGHT, WIDTH], "counts": rle.encode(np.zeros((HEIGHT, WIDTH), bool))["counts"]}
    return [(empty if dice.chance(0.2) else None) if box is None else _mask(box) for box in boxes]


def make(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The annotations and the results of one seed."""
    dice = Dice(seed)
    categories = [7, 2, 5, 11][: 2 + dice.below(3)]
    videos = [
        {"id": video_id, "width": WIDTH, "height": HEIGHT, "length": length, "file_names": names}
        for video_id in ([9, 3, 4, 12, 1][: 1 + dice.below(5)])
        for length in [1 + dice.below(5)]
        for names in [[f"{video_id}/{frame:05d}.jpg" for frame in range(length)]]
    ]
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    scores = [0.1, 0.3, 0.5, 0.5, 0.9] if dice.chance(0.5) else []
    first_id = 0 if dice.chance(0.1) else 1
    for video in videos:
        for _ in range(dice.below(6)):
            boxes = _track(dice, video["length"], dice.pick([0.0, 0.0, 0.3, 0.3, 1.0]))
            masks = _segmentations(dice, boxes)
            category = dice.pick(categories[:-1])
            for _ in range(2 if dice.chance(0.1) else 1):
                annotations.append(_annotation(dice, first_id + len(annotations), video, category, masks))
            for _ in range(dice.below(4)):
                amount = dice.pick([0, 0, 2, 4, 12])
                found = [
                    None if box is None or dice.chance(0.05) else _jitter(dice, box, amount) for box in boxes
                ]
                guess = category if dice.chance(0.8) else dice.pick(categories)
                results.append(_result(dice, video, guess, _segmentations(dice, found), scores))
        for _ in range(dice.pick([0, 0, 2, 12])):
            masks = _segmentations(dice, _track(dice, video["length"], dice.pick([0.0, 0.5, 1.0])))
            results.append(_result(dice, video, dice.pick(categories), masks, scores))
    if dice.chance(0.1) and results:
        results += [{**results[0], "score": dice.random()} for _ in range(110)]
    order = sorted(range(len(results)), key=lambda _: dice.random())
    truth = {
        "videos": videos,
        "categories": [{"id": category, "name": f"class {category}"} for category in categories],
        "annotations": annotations,
    }
    return truth, [results[index] for index in order]


def _annotation(dice: Dice, id_: int, video: Any, category: int, masks: list[Any]) -> dict[str, Any]:
    areas = [None if mask is None else rle.area(mask) for mask in masks]
    if dice.chance(0.2):  # the field counts, not the mask
        areas = [area and area * dice.pick([0.5, 0.99, 3.7]) for area in areas]
    boxes = [None if mask is None else [0, 0, 1, 1] for mask in masks]
    return {
        "id": id_,
        "video_id": video["id"],
        "category_id": category,
        "iscrowd": int(dice.chance(0.15)),
        "segmentations": masks,
        "areas": areas,
        "bboxes": boxes,
        "width": WIDTH,
        "height": HEIGHT,
        "length": video["length"],
    }


def _result(dice: Dice, video: Any, category: int, masks: list[Any], scores: list[float]) -> dict[str, Any]:
    score = dice.pick(scores) if scores else dice.random()
    return {"video_id": video["id"], "category_id": category, "score": score, "segmentations": masks}
