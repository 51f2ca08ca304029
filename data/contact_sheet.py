"""A sheet of frames with masks, ids and classes, for a person to look at a data set or at results."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.data.coco import load_coco, load_coco_results
from mobilevis.data.images import image_folder, read_image
from mobilevis.data.layouts import annotations_of, holds_videos
from mobilevis.data.records import read_json
from mobilevis.data.ytvis import load_ytvis, load_ytvis_results
from mobilevis.runtime import rle
from mobilevis.runtime.colors import TrackColors
from mobilevis.runtime.draw import draw_mask
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.images import MAX_PIXELS
from mobilevis.runtime.labels import LabelLayer
from mobilevis.runtime.rle import Rle

Sheet = NDArray[np.uint8]

GAP = 4  # white pixels between tiles
MAX_TILE_RATIO = 2  # height to width: a tower is drawn narrower
MAX_OBJECTS = 200  # in a tile: nobody could tell more apart
CAPTION_COLOR = (40, 40, 40)


@dataclass(frozen=True)
class SheetLayout:
    """How much is shown.

    Attributes:
        rows: of tiles.
        columns: of tiles; a video's frames are spread evenly over them.
        tile_width: in pixels.
        min_score: results below it are left out.
    """

    rows: int = 8
    columns: int = 5
    tile_width: int = 320
    min_score: float = 0.3

    def __post_init__(self) -> None:
        if not (1 <= self.rows <= 64 and 1 <= self.columns <= 64 and 32 <= self.tile_width <= 2048):
            raise UserError(
                f"{self.rows}x{self.columns} tiles of {self.tile_width} pixels are no sheet",
                fix="give 1 to 64 rows and columns of 32 to 2048 pixels",
            )


@dataclass(frozen=True)
class _Marked:
    """An object: its identity, which chooses the colour, its label, and its mask in each frame."""

    identity: int
    label: str
    masks: tuple[Optional[Rle], ...]


@dataclass(frozen=True)
class _Clip:
    """A video, or an image as a video of one frame."""

    files: tuple[str, ...]
    size: tuple[int, int]
    objects: list[_Marked]
    colors: TrackColors = field(default_factory=TrackColors)


_Clips = tuple[list[_Clip], tuple[str, ...]]  # and the set's notes


def contact_sheet(
    path: Union[str, Path],
    images: Optional[Path] = None,
    ground_truth: Optional[Path] = None,
    layout: Optional[SheetLayout] = None,
    strict: bool = False,
    on_note: Callable[[str], None] = lambda note: None,
) -> Sheet:
    """Draw a sheet: a row for each of the first videos, or the first images in reading order.

    Args:
        path: a COCO or YouTube-VIS annotation file, a results file of either, or a folder with an
            ``instances.json``.
        images: the folder of images; by default where the published layouts have it.
        ground_truth: the annotation file that a results file refers to.
        layout: how much is shown.
        strict: refuse annotations that would be mended.
        on_note: called with what there is to say about the annotations.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UserError: a file is malformed, or the images are not found.
    """
    path, layout = annotations_of(Path(path)), layout or SheetLayout()
    raw, results = read_json(path), None
    if isinstance(raw, list):
        if ground_truth is None:
            raise UserError("results name no images", path, "give the annotation file with --gt")
        path, results = Path(ground_truth), path
        raw = read_json(path)
    read = _videos if holds_videos(raw) else _images
    clips, notes = read(path, results, layout.min_score, strict)
    for note in notes:
        on_note(note)
    if not clips:
        raise UserError("the set is empty", path, "give a set with images")
    folder = images or image_folder(path, clips[0].files[0])
    return _draw_sheet(_tiles(clips, layout), folder, layout)


def _videos(path: Path, results: Optional[Path], min_score: float, strict: bool) -> _Clips:
    dataset = load_ytvis(path, strict=strict)
    names = {category.id: category.name for category in dataset.categories}
    marked: dict[int, list[_Marked]] = defaultdict(list)
    if results is None:
        for track in dataset.tracks:
            label = f"{track.id} {names[track.category_id]}"
            marked[track.video_id].append(_Marked(track.id, label, track.segmentations))
    else:
        for number, result in enumerate(load_ytvis_results(results, dataset), start=1):
            if result.score >= min_score:
                label = f"{number} {names[result.category_id]} {result.score:.2f}"
                marked[result.video_id].append(_Marked(number, label, result.segmentations))
    return [_Clip(v.file_names, (v.height, v.width), marked[v.id]) for v in dataset.videos], dataset.notes


def _images(path: Path, results: Optional[Path], min_score: float, strict: bool) -> _Clips:
    dataset = load_coco(path, strict=strict)
    names = {category.id: category.name for category in dataset.categories}
    marked: dict[int, list[_Marked]] = defaultdict(list)
    if results is None:
        for annotation in dataset.annotations:
            label = f"{annotation.id} {names[annotation.category_id]}" + " crowd" * annotation.iscrowd
            marked[annotation.image_id].append(_Marked(annotation.id, label, (annotation.segmentation,)))
    else:
        for number, result in enumerate(load_coco_results(results, dataset), start=1):
            if result.score >= min_score:
                label = f"{number} {names[result.category_id]} {result.score:.2f}"
                marked[result.image_id].append(_Marked(number, label, (result.segmentation,)))
    return [_Clip((i.file_name,), (i.height, i.width), marked[i.id]) for i in dataset.images], dataset.notes


def _tiles(clips: list[_Clip], layout: SheetLayout) -> list[tuple[_Clip, int]]:
    """Clip and frame of each tile in reading order: every clip fills a row, but images stand side by side."""
    if all(len(clip.files) == 1 for clip in clips):
        return [(clip, 0) for clip in clips[: layout.rows * layout.columns]]
    return [
        (clip, int(frame))
        for clip in clips[: layout.rows]
        for frame in np.linspace(0, len(clip.files) - 1, layout.columns).round()
    ]


def _tile_size(size: tuple[int, int], tile_width: int) -> tuple[int, int]:
    """(height, width) of a tile: as wide as it may be, unless the image is a tower."""
    height, width = size
    scale = min(tile_width / width, MAX_TILE_RATIO * tile_width / height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _draw_sheet(tiles: list[tuple[_Clip, int]], folder: Path, layout: SheetLayout) -> Sheet:
    """Tiles in columns of one width, each row as high as its highest tile."""
    rows = [tiles[start : start + layout.columns] for start in range(0, len(tiles), layout.columns)]
    heights = [max(_tile_size(clip.size, layout.tile_width)[0] for clip, _ in row) + GAP for row in rows]
    size = (sum(heights), layout.columns * (layout.tile_width + GAP))
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(
            f"the sheet would be {size[0]}x{size[1]}, more than {MAX_PIXELS >> 20} megapixels",
            fix="give fewer --rows and --columns, or a smaller --tile-width",
        )
    sheet = np.full((*size, 3), 255, dtype=np.uint8)
    for row, height, bottom in zip(rows, heights, np.cumsum(heights).tolist()):
        for column, (clip, frame) in enumerate(row):
            tile = _draw(clip, frame, folder, layout.tile_width)
            x, y = column * (layout.tile_width + GAP), bottom - height
            sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _draw(clip: _Clip, frame: int, folder: Path, tile_width: int) -> Sheet:
    image = read_image(folder / clip.files[frame], clip.size)
    height, width = _tile_size(clip.size, tile_width)
    tile = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # The mask's pixels under the tile's, as a resize to the nearest takes them.
    at = [np.arange(n) * full // n for n, full in zip((height, width), clip.size)]
    visible = [(marked, found) for marked in clip.objects if (found := marked.masks[frame]) is not None]
    shown = visible[:MAX_OBJECTS]
    labels = LabelLayer(tile)
    more = f" (+ {len(visible) - MAX_OBJECTS} objects)" if len(visible) > MAX_OBJECTS else ""
    labels.write(clip.files[frame] + more, (0, height), CAPTION_COLOR)
    waiting = []
    for (marked, segmentation), color in zip(shown, clip.colors.update([m.identity for m, _ in shown])):
        mask = rle.sample(segmentation, *at)
        if mask.any():
            draw_mask(tile, mask, (0, 0), color)
            rows, columns = np.nonzero(mask)
            waiting.append((marked.label, (int(columns.min()), int(rows.min())), color))
    for label, corner, color in waiting:
        labels.write(label, corner, color)
    return tile
