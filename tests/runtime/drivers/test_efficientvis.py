"""EfficientVIS's driver on a network that anyone can check by eye: its two tracklets box red and green."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import Source, StreamInterruptedError

H, W, T, N, C, S, M = 64, 128, 4, 2, 3, 2, 28
CLASSES = (Category(3, "red"), Category(5, "green"))


class BoxArtefact:
    """Has EfficientVIS's entries: features are colours; a query adds up how often it was carried."""

    engine = "boxes"
    threads = 1

    def __init__(self) -> None:
        frame, clip = TensorSpec("p2", (1, H, W, C)), TensorSpec("p2", (T, H, W, C))
        state = (TensorSpec("queries", (1, N, C)), TensorSpec("carried", (1, N, 1)))
        found = (
            TensorSpec("scores", (T, N, 2)),
            TensorSpec("boxes", (T, N, 4)),
            TensorSpec("attended", (T, N, C)),
            TensorSpec("next_queries", (1, N, C)),
        )
        live = (TensorSpec("attended", (T, S, C)), TensorSpec("boxes", (T, S, 4)))
        self.metadata = Metadata(
            model="efficientvis-boxes",
            driver="efficientvis",
            entries={
                "encode": EntrySpec((TensorSpec("frame", (1, 3, H, W)),), (frame,)),
                "decode": EntrySpec((clip, *state), found),
                "segment": EntrySpec((clip, *live), (TensorSpec("mask_logits", (T, S, M, M)),)),
            },
            input_size=(H, W),
            classes=CLASSES,
            options={"clip_length": T, "max_instances": S},
        )
        self.calls: Counter[str] = Counter()
        self.carried: list[tuple[float, float]] = []

    def run(self, entry, inputs):
        expected = {tensor.name: tensor.shape for tensor in self.metadata.entries[entry].inputs}
        assert {name: array.shape for name, array in inputs.items()} == expected
        self.calls[entry] += 1
        return getattr(self, f"_{entry}")(**inputs)

    def _encode(self, frame):
        return {"p2": np.ascontiguousarray(frame.transpose(0, 2, 3, 1))}

    def _decode(self, p2, queries, carried):
        self.carried.append((float(carried[0, 0, 0]), float(queries[0, 0, 0])))
        boxes = np.zeros((T, N, 4), np.float32)
        scores = np.full((T, N, 2), 0.01, np.float32)
        for t in range(T):
            for colour in range(N):
                rows, columns = np.nonzero(p2[t, :, :, colour] > 128)
                if rows.size:
                    edges = (columns[0] / W, rows[0] / H, (columns[-1] + 1) / W, (rows[-1] + 1) / H)
                    boxes[t, colour] = edges
                    scores[t, colour, colour] = 0.9 - 0.1 * colour
        attended = np.broadcast_to(np.arange(N, dtype=np.float32)[None, :, None], (T, N, C)).copy()
        return {"scores": scores, "boxes": boxes, "attended": attended, "next_queries": queries + 1}

    def _segment(self, p2, attended, boxes):
        return {"mask_logits": np.full((T, S, M, M), 5.0, np.float32)}


class Frames(Source):
    def __init__(self, frames):
        self.name, self.fps, self.frame_count = "memory", 25.0, len(frames)
        self._frames = frames

    def __iter__(self):
        yield from self._frames


@pytest.fixture
def boxes() -> BoxArtefact:
    return BoxArtefact()


def stream(artefact, frames, **options):
    return [result for _, result in VideoSegmenter(artefact, **options).stream(Frames(frames))]


def squares(count, height=H, width=W):
    """A red square that moves right; a green one that is gone from frame 2 on."""
    frames = np.zeros((count, height, width, 3), dtype=np.uint8)
    for t, frame in enumerate(frames):
        frame[20:50, 10 + 4 * t : 40 + 4 * t, 0] = 255
        if t < 2:
            frame[30:60, 90:120, 1] = 255
    return frames


def test_masks_are_placed_where_their_boxes_are(boxes):
    frames = squares(4)
    for frame, result in zip(frames, stream(boxes, frames)):
        red = result.instances[0]
        assert red.track_id == 1
        assert CLASSES[red.class_index].name == "red"
        assert np.array_equal(red.full_mask(), frame[..., 0] > 128)


def test_a_frame_shows_the_tracklets_that_it_sees(boxes):
    shown = [[i.track_id for i in result.instances] for result in stream(boxes, squares(4))]
    assert shown == [[1, 2], [1, 2], [1], [1]]


def test_frames_of_another_aspect_are_undone(boxes):
    frames = squares(4, height=90, width=90)
    for frame, result in zip(frames, stream(boxes, frames)):
        mask, truth = result.instances[0].full_mask(), frame[..., 0] > 128
        assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_queries_of_a_clip_start_the_next_and_a_new_video_starts_afresh(boxes):
    segmenter = VideoSegmenter(boxes)
    for _ in range(2):
        assert len(list(segmenter.stream(Frames(squares(10))))) == 10
    assert boxes.carried == [(0.0, 0.0), (1.0, 1.0), (1.0, 2.0)] * 2
    assert boxes.calls == {"encode": 20, "decode": 6, "segment": 6}


def test_answers_come_clip_by_clip_and_the_rest_at_the_end(boxes):
    answers = list(VideoSegmenter(boxes).answers(Frames(squares(10))))
    assert [[result.frame_index for _, result in answer] for answer in answers] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_clip_that_is_too_short_is_padded_and_its_padding_not_returned(boxes, count):
    results = stream(boxes, squares(count))
    assert [result.frame_index for result in results] == list(range(count))
    assert boxes.calls["encode"] == count
    assert results[-1].instances[0].track_id == 1


def test_padding_does_not_vote_on_the_class_nor_show_a_tracklet(boxes):
    """Frame 1 shows green and is the last: its repeats would triple its weight."""
    assert [len(result.instances) for result in stream(boxes, squares(2))] == [2, 2]
    assert [len(result.instances) for result in stream(boxes, squares(3))] == [2, 2, 1]


def test_the_delay_is_stated_and_process_is_refused(boxes):
    with pytest.raises(UserError, match="answers 3 frames late"):
        VideoSegmenter(boxes).process(squares(1)[0])


def test_a_frame_bears_its_share_of_the_clip(boxes):
    for result in stream(boxes, squares(5)):
        assert {"read", "resize", "encode", "decode", "segment", "masks", "frame"} <= set(result.milliseconds)


def test_other_classes_are_left_out(boxes):
    assert all(not result.instances[1:] for result in stream(boxes, squares(4), classes=["red"]))
    shown = [[i.track_id for i in r.instances] for r in stream(boxes, squares(4), classes=["green"])]
    assert shown == [[2], [2], [], []]


def test_a_video_whose_size_changes_is_refused(boxes):
    with pytest.raises(StreamInterruptedError, match="frame 1 is 90x90, the video began with 64x128"):
        stream(boxes, [squares(1)[0], squares(1, 90, 90)[0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keyframe_interval": 3}, "efficientvis-boxes has no option keyframe_interval"),
        ({"score_threshold": -1.0}, "probabilities"),
        ({"classes": ["blue"]}, "no class blue; the artefact knows red, green"),
    ],
)
def test_options_of_another_family_are_refused(boxes, options, message):
    with pytest.raises(UserError, match=message):
        VideoSegmenter(boxes, **options)
