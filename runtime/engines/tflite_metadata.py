"""Read a metadata buffer of a .tflite file with every offset checked: tflite_runtime has no reader.

The file is a FlatBuffer (https://flatbuffers.dev/internals/) of TensorFlow's schema, with fields numbered by
their order in their table (compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

import struct
from typing import Optional, Union

FILE_IDENTIFIER = b"TFL3"  # at bytes 4 to 8
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER = 0, 1
BUFFER_DATA = 0

Bytes = Union[bytes, memoryview]


def read_metadata(data: Bytes, name: str, limit: int) -> Optional[bytes]:
    """The content of the metadata buffer called ``name``; None when there is none.

    Args:
        data: the whole file; hostile.
        name: name of the metadata entry.
        limit: largest content to return, in bytes.

    Raises:
        ValueError: an offset leads out of the file, or the content is larger than ``limit``.
    """
    try:
        model = _target(data, 0)
        for entry in _tables(data, _field(data, model, MODEL_METADATA)):
            if _content(data, _field(data, entry, METADATA_NAME), limit) == name.encode():
                buffers = _tables(data, _field(data, model, MODEL_BUFFERS))
                index = _field(data, entry, METADATA_BUFFER)
                buffer = buffers[_uint32(data, index) if index else 0]
                return _content(data, _field(data, buffer, BUFFER_DATA), limit)
    except (struct.error, IndexError) as error:
        raise ValueError("an offset leads out of the file") from error
    return None


def _uint32(data: Bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _target(data: Bytes, at: int) -> int:
    return at + _uint32(data, at)


def _field(data: Bytes, table: int, number: int) -> int:
    """Position of a table's field, found through the table's vtable; 0 when the field is absent."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", data, vtable)
    slot = 4 + 2 * number
    offset = struct.unpack_from("<H", data, vtable + slot)[0] if slot < size else 0
    return table + int(offset) if offset else 0


def _vector(data: Bytes, field: int, item_bytes: int) -> tuple[int, int]:
    """(position of the first item, number of items) of the vector that a field points to."""
    if field == 0:
        return 0, 0
    start = _target(data, field)
    count = _uint32(data, start)
    if start + 4 + count * item_bytes > len(data):
        raise IndexError(f"a vector of {count} items")
    return start + 4, count


def _tables(data: Bytes, field: int) -> list[int]:
    first, count = _vector(data, field, 4)
    return [_target(data, first + 4 * i) for i in range(count)]


def _content(data: Bytes, field: int, limit: int) -> bytes:
    first, count = _vector(data, field, 1)
    if count > limit:
        raise ValueError(f"{count} bytes of metadata are more than {limit}")
    return bytes(data[first : first + count])
