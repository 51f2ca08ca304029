"""Seeded data in VIPSeg's format: crowds, void, changing classes, videos shorter than a window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .random_videos import Dice
from .vipseg import save_ids

HEIGHT, WIDTH = 12, 16


def _draw(dice: Dice, canvas: np.ndarray, ids: list[int]) -> np.ndarray:
    for segment_id in ids:
        y, x = dice.below(HEIGHT), dice.below(WIDTH)
        canvas[y : y + 1 + dice.below(HEIGHT), x : x + 1 + dice.below(WIDTH)] = segment_id
    return canvas


def _predict(dice: Dice, truth: np.ndarray, names: dict[int, int], strays: list[int]) -> np.ndarray:
    prediction = np.zeros_like(truth)
    for true_id, predicted_id in names.items():
        prediction[np.roll(truth == true_id, dice.below(3), axis=1)] = predicted_id
    if dice.chance(0.4):
        stray = _draw(dice, np.zeros_like(truth), strays)
        keep = np.array([[dice.chance(0.4) for _ in range(WIDTH)] for _ in range(HEIGHT)])
        prediction = np.where(keep & (stray > 0), stray, prediction)
    return np.zeros_like(truth) if dice.chance(0.1) else prediction


def _record(
    dice: Dice, ids: np.ndarray, classes: dict[int, int], crowds: set[int], change: float
) -> list[Any]:
    present = [int(i) for i in np.unique(ids) if i]
    present.sort(key=lambda _: dice.random())
    return [
        {
            "id": i,
            "category_id": dice.pick(list(classes.values())) if dice.chance(change) else classes[i],
            "iscrowd": int(i in crowds),
            "area": int(np.sum(ids == i)),
        }
        for i in present
    ]


def _video(dice: Dice, root: Path, name: str, length: int, categories: list[int]) -> tuple[Any, Any, Any]:
    ids = [1 + dice.below(1 << 24) for _ in range(1 + dice.below(6))]
    names = {i: 1 + dice.below(1 << 24) for i in ids}
    strays = [1 + dice.below(1 << 24) for _ in range(2)]
    classes = {i: dice.pick(categories) for i in ids}
    predicted = {names[i]: classes[i] if dice.chance(0.8) else dice.pick(categories) for i in ids}
    predicted.update({i: dice.pick(categories) for i in strays})
    crowds = {i for i in ids if dice.chance(0.2)}
    background = ids[0] if dice.chance(0.5) else 0
    start = _draw(dice, np.full((HEIGHT, WIDTH), background), ids)
    truths, answers = [], []
    for frame in range(length):
        file_name = f"{frame:05d}.png"
        truth = np.roll(start, frame // 2, axis=1)
        prediction = _predict(dice, truth, names, strays)
        save_ids(root / "panomasksRGB" / name / file_name, truth)
        save_ids(root / "pan_pred" / name / file_name, prediction)
        truths.append({"file_name": file_name, "segments_info": _record(dice, truth, classes, crowds, 0.0)})
        segments = _record(dice, prediction, predicted, set(), 0.1)
        answers.append({"file_name": file_name, "segments_info": segments})
    images = [{"file_name": record["file_name"]} for record in truths]
    return images, truths, answers


def write(root: Path, seed: int) -> tuple[Path, Path]:
    """Write ``gt.json``, ``pred.json`` and their PNGs for one seed."""
    dice = Dice(seed)
    categories = [
        {"id": i * 15 if dice.chance(0.5) else i, "name": f"class {i}", "isthing": int(i != 1)}
        for i in range(5)
    ][: 2 + dice.below(4)]
    known = [category["id"] for category in categories]
    document: dict[str, Any] = {"categories": categories, "videos": [], "annotations": []}
    submission: dict[str, Any] = {"annotations": []}
    for index in range(1 + dice.below(3)):
        name, length = f"v{index}", 3 + dice.below(6) if index else 6 + dice.below(5)
        images, truths, answers = _video(dice, root, name, length, known)
        document["videos"].append({"video_id": name, "images": images})
        document["annotations"].append({"video_id": name, "annotations": truths})
        submission["annotations"].append({"video_id": name, "annotations": answers})
    (root / "gt.json").write_text(json.dumps(document))
    (root / "pred.json").write_text(json.dumps(submission))
    return root / "gt.json", root / "pred.json"
