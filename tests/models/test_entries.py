"""What every family's ``streaming`` promises, whatever its entries are."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from mobilevis.models import create_model, list_models
from mobilevis.models.entries import check_input_size
from mobilevis.runtime.drivers import DRIVERS

# A small model of each family; meta tensors, as only shapes are asked for.
FAMILIES = sorted(
    {name.rpartition("-")[0]: name for name in list_models() if name.endswith("-tiny")}.values()
)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    with torch.device("meta"):
        return create_model(request.param)


def size_of(model):
    return 2 * model.size_multiple, 4 * model.size_multiple


def test_masks_are_for_the_usual_instances_unless_an_export_says_otherwise(model):
    usual = model.streaming(size_of(model)).driver_options["max_instances"]
    assert usual == min(model.usual_instances or model.num_queries, model.num_queries)


def test_all_queries_may_have_masks(model):
    streaming = model.streaming(size_of(model), max_instances=None)
    assert streaming.driver_options["max_instances"] == model.num_queries


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_fewer_instances_than_one_and_more_than_queries_are_refused(model, beyond):
    count = beyond if beyond < 1 else model.num_queries + beyond
    with pytest.raises(ValueError, match=f"max_instances {count} is not in 1…{model.num_queries}"):
        model.streaming(size_of(model), max_instances=count)


def test_a_side_that_is_no_multiple_is_refused(model):
    height, width = size_of(model)
    with pytest.raises(ValueError, match=f"no multiple of {model.size_multiple}"):
        model.streaming((height, width + 1))


def test_an_unknown_export_option_lists_the_known_ones(model):
    with pytest.raises(ValueError, match="no export option depth; known are max_instances"):
        model.streaming(size_of(model), depth=3)


def test_the_metadata_hold_only_what_the_driver_reads(model):
    read = {"clip_length", "decoder_layers", "keyframe_interval", "mask_stride", "max_instances"}
    read |= {"stuff_classes", "warmup"}
    assert set(model.streaming(size_of(model)).driver_options) <= read


def test_the_gates_options_are_the_drivers(model):
    _, options = DRIVERS[model.driver]
    assert set(model.streaming(size_of(model)).gate_options) <= {field.name for field in fields(options)}


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ((320, 600), "320x576 and 320x640"),
        ((300, 500), "256x448 and 320x512"),
        ((20, 64), "64x64"),
        ((0, 64), "64x64"),
        ((64, -64), "64x64"),
    ],
)
def test_a_size_that_does_not_fit_names_the_nearest_that_do(size, nearest):
    with pytest.raises(ValueError, match=f"is no multiple of 64, the nearest are {nearest}$"):
        check_input_size(size, 64)


def test_a_size_that_fits_is_taken():
    check_input_size((320, 640), 64)
