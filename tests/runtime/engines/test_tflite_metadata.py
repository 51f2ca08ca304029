"""A .tflite file is hostile until read: no offset or count may lead out of it."""

from __future__ import annotations

import struct

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobilevis.runtime.engines.tflite_metadata import FILE_IDENTIFIER, read_metadata

CONTENT = b"what we know of it"


@pytest.fixture(scope="module")
def data() -> bytes:
    """A model without graph, with one metadata entry."""
    model = schema.ModelT()
    model.buffers = [schema.BufferT(data=np.frombuffer(CONTENT, dtype=np.uint8))]
    model.metadata = [schema.MetadataT("ours", 0)]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def test_the_content_is_found_by_name(data):
    assert read_metadata(data, "ours", 100) == CONTENT
    assert read_metadata(data, "theirs", 100) is None


@pytest.mark.parametrize("beyond", [1, 1 << 20, (1 << 32) - 1])
def test_a_count_that_leads_out_of_the_file_is_refused(data, beyond):
    at = data.index(CONTENT)
    count = struct.pack("<I", min(len(data) - at + beyond, (1 << 32) - 1))
    with pytest.raises(ValueError, match="leads out of the file"):
        read_metadata(data[: at - 4] + count + data[at:], "ours", 1 << 40)


def test_more_than_the_limit_is_refused(data):
    with pytest.raises(ValueError, match="18 bytes of metadata are more than 10"):
        read_metadata(data, "ours", 10)
