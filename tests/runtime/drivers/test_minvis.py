"""The drivers of MinVIS, DVIS++ and TAR, on artefacts that note which entries run."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.drivers.tar import layers_kept
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import StreamInterruptedError

H, W = 64, 128
QUERIES, SHOWN, LAYERS, WARMUP = 3, 2, 4, 1
SHAPES = {
    "frame": (1, 3, H, W),
    "mask_features": (1, 4, H // 4, W // 4),
    "level": (1, 4, 2, 4),
    "scores": (1, QUERIES, 2),
}
QUERY = (1, QUERIES, 4)


def tensors(names: str) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, SHAPES.get(name, QUERY)) for name in names.split())


def spec(inputs: str, outputs: str) -> EntrySpec:
    return EntrySpec(tensors(inputs), tensors(outputs))


DECODERS = {
    "": {"decode": spec("level", "embeddings kernels scores frame_queries")},
    "-tar": {
        **{f"layer_{i}": spec("level queries" if i else "level", "refined") for i in range(LAYERS)},
        "synchronise": spec("queries previous", "refined"),
        **{
            f"router_{i}": EntrySpec(tensors("queries previous"), (TensorSpec("scores", (1, 2)),))
            for i in range(WARMUP, LAYERS)
        },
        "read": spec("queries", "embeddings kernels scores frame_queries"),
    },
}
TRACKERS = {
    "minvis": {},
    "dvis-plus": {
        "begin": spec("frame_queries", "state kernels scores"),
        "track": spec("matched frame_queries last", "state kernels scores"),
    },
}


class NotingArtefact:
    """Query i shows a square at column 8·i, class i % 2; ``order`` permutes the queries of every frame."""

    engine = "notes"
    threads = 1

    def __init__(self, family: str, kept: tuple[int, ...] = ()) -> None:
        tracker, routing = family.removesuffix("-tar"), "-tar" if family.endswith("-tar") else ""
        self.metadata = Metadata(
            model=family,
            driver=family,
            entries={
                "encode": spec("frame", "mask_features level"),
                **DECODERS[routing],
                **TRACKERS[tracker],
                "segment": EntrySpec(
                    (
                        TensorSpec("kernels", (1, SHOWN, 4)),
                        TensorSpec("mask_features", SHAPES["mask_features"]),
                    ),
                    (TensorSpec("mask_logits", (1, SHOWN, H // 4, W // 4)),),
                ),
            },
            input_size=(H, W),
            classes=(Category(1, "even"), Category(2, "odd")),
            options={"max_instances": SHOWN, "mask_stride": 4, "decoder_layers": LAYERS, "warmup": WARMUP},
        )
        self.kept = kept
        self.calls: list[str] = []
        self.inputs: list[dict[str, np.ndarray]] = []
        self.order = np.arange(QUERIES)

    def run(self, entry, inputs):
        expected = {tensor.name: tensor.shape for tensor in self.metadata.entries[entry].inputs}
        assert {name: array.shape for name, array in inputs.items()} == expected
        self.calls.append(entry)
        self.inputs.append({name: array.copy() for name, array in inputs.items()})
        if entry.startswith("router"):
            keep = int(entry.split("_")[1]) in self.kept
            return {"scores": np.array([[0.0, 1.0 if keep else -1.0]], dtype=np.float32)}
        if entry == "segment":
            logits = np.full((1, SHOWN, H // 4, W // 4), -5.0, dtype=np.float32)
            for row, kernel in enumerate(inputs["kernels"][0]):
                if kernel.any():
                    column = 8 * int(kernel[:QUERIES].argmax())
                    logits[0, row, 4:12, column : column + 6] = 5.0
            return {"mask_logits": logits}
        queries = np.eye(QUERIES, 4, dtype=np.float32)[self.order][None]
        if entry in ("begin", "track"):
            queries = np.eye(QUERIES, 4, dtype=np.float32)[None]
        scores = np.where(np.arange(2) == (queries[0, :, :QUERIES].argmax(1) % 2)[:, None], 0.8, 0.1)
        scores *= 1 - 0.2 * queries[0, :, :QUERIES].argmax(1)[:, None]
        known = {"scores": scores[None].astype(np.float32)}
        outputs = self.metadata.entries[entry].outputs
        return {
            t.name: known.get(t.name, queries if t.shape == QUERY else np.zeros(t.shape, np.float32))
            for t in outputs
        }


def frame() -> np.ndarray:
    return np.zeros((H, W, 3), dtype=np.uint8)


FAMILIES = ["minvis", "minvis-tar", "dvis-plus", "dvis-plus-tar"]


@pytest.mark.parametrize("family", FAMILIES)
def test_objects_keep_their_identity_when_the_queries_change_places(family):
    artefact = NotingArtefact(family)
    segmenter = VideoSegmenter(artefact)
    tracks = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 0, 2]):
        artefact.order = np.array(order)
        result = segmenter.process(frame())
        tracks.append({instance.box: instance.track_id for instance in result.instances})
    assert len(tracks[0]) == SHOWN
    assert tracks[0] == tracks[1] == tracks[2]


@pytest.mark.parametrize("family", FAMILIES)
def test_only_wanted_classes_are_shown(family):
    segmenter = VideoSegmenter(NotingArtefact(family), classes=["odd"])
    assert [instance.class_index for instance in segmenter.process(frame()).instances] == [1]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_options_of_a_run_are_told(family):
    options = VideoSegmenter(NotingArtefact(family), score_threshold=0.4).options
    assert (options["score_threshold"], options["mask_threshold"]) == (0.4, 0.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_another_familys_option_is_refused(family):
    with pytest.raises(UserError, match=f"{family} has no option keyframe_interval"):
        VideoSegmenter(NotingArtefact(family), keyframe_interval=3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_video_whose_size_changes_is_refused(family):
    segmenter = VideoSegmenter(NotingArtefact(family))
    segmenter.process(frame())
    with pytest.raises(StreamInterruptedError, match="frame 1 is 32x32"):
        segmenter.process(np.zeros((32, 32, 3), dtype=np.uint8))


def test_nothing_found_costs_no_segment():
    artefact = NotingArtefact("minvis")
    assert VideoSegmenter(artefact, score_threshold=0.9).process(frame()).instances == ()
    assert "segment" not in artefact.calls


def test_a_single_frame_runs_every_layer_and_no_router():
    artefact = NotingArtefact("minvis-tar")
    result = VideoSegmenter(artefact).process(frame())
    assert artefact.calls == ["encode", *(f"layer_{i}" for i in range(LAYERS)), "read", "segment"]
    assert layers_kept(result) == LAYERS


@pytest.mark.parametrize("kept", [(), (2,), (1, 3), (1, 2, 3)])
@pytest.mark.parametrize("family", ["minvis-tar", "dvis-plus-tar"])
def test_a_layer_that_its_router_skips_is_never_run(family, kept):
    artefact = NotingArtefact(family, kept)
    segmenter = VideoSegmenter(artefact)
    segmenter.process(frame())
    artefact.calls.clear()
    result = segmenter.process(frame())
    ran = [call for call in artefact.calls if call.startswith("layer_")]
    assert ran == ["layer_0", *(f"layer_{i}" for i in kept)]
    assert layers_kept(result) == len(ran)
    assert artefact.calls[2] == "synchronise"


def test_the_next_video_begins_without_queries_of_the_last_one():
    artefact = NotingArtefact("minvis-tar")
    segmenter = VideoSegmenter(artefact)
    segmenter.process(frame())
    segmenter.reset()
    assert layers_kept(segmenter.process(frame())) == LAYERS


def test_the_tracker_gets_the_queries_in_the_order_of_the_objects():
    artefact = NotingArtefact("dvis-plus")
    segmenter = VideoSegmenter(artefact)
    for order in ([0, 1, 2], [2, 0, 1]):
        artefact.order = np.array(order)
        segmenter.process(frame())
    assert [call for call in artefact.calls if call in ("begin", "track")] == ["begin", "track"]
    tracked = artefact.inputs[artefact.calls.index("track")]
    np.testing.assert_array_equal(tracked["matched"][0], np.eye(QUERIES, 4))
    np.testing.assert_array_equal(tracked["frame_queries"][0], np.eye(QUERIES, 4)[[2, 0, 1]])


@pytest.mark.parametrize("family", ["minvis-tar", "dvis-plus-tar"])
def test_a_fixed_number_of_layers_is_run_without_routing(family):
    artefact = NotingArtefact(family)
    segmenter = VideoSegmenter(artefact, fixed_layers=2)
    results = [segmenter.process(frame()) for _ in range(2)]
    assert [layers_kept(result) for result in results] == [2, 2]
    assert not {"synchronise", "router_1"} & set(artefact.calls)


@pytest.mark.parametrize(("layers", "message"), [(0, "must be 1 or more"), (5, "the decoder has 4")])
def test_a_number_of_layers_that_there_is_not_is_refused(layers, message):
    with pytest.raises(UserError, match=message):
        VideoSegmenter(NotingArtefact("minvis-tar"), fixed_layers=layers)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"score_threshold": "high"}, "score_threshold is 'high', not a number"),
        ({"score_threshold": True}, "score_threshold is True, not a number"),
        ({"classes": "odd"}, "classes is 'odd', not a list of names or null"),
        ({"classes": [1]}, "classes is .1., not a list of names or null"),
    ],
)
def test_a_value_of_another_type_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        VideoSegmenter(NotingArtefact("minvis"), **options)


def test_numbers_of_numpy_are_numbers():
    VideoSegmenter(NotingArtefact("minvis"), score_threshold=np.float32(0.5), mask_threshold=np.float64(0.5))
