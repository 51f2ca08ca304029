"""Image files that may be anything: size and completeness are read from the header before a pixel is decoded.

A PNG of 3 MB can hold 30000 x 30000 pixels, which a decoder allocates before anyone can look at the shape.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.reading import read_bounded

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 1 << 26  # 8K x 8K, 430 MB at the decoder's peak
MAX_FILE_BYTES = 1 << 29  # uncompressed, 64 megapixels of 16-bit RGB are 384 MiB
# Progressive JPEGs have some ten scans; each may cost a pass over all pixels for a handful of bytes.
MAX_SCANS = 64
MAX_STRIP_BYTES = 1 << 28  # a TIFF's strip or tile is decoded as a whole, however small the image
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a decoder needs of a PNG. The rest it unpacks as well: 1,000 texts of 8 MB each fit 8 MB of file.
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND"})

FIX = "replace or remove it"


def read_rgb(path: Path, flags: int = cv2.IMREAD_COLOR) -> Image:
    """A PNG, JPEG, BMP, TIFF or WebP file as (H, W, 3) uint8 RGB.

    Args:
        path: the file.
        flags: OpenCV's, for three channels of 8 bits.

    Raises:
        UserError: the file is missing, no image, cut off, or has more than ``MAX_PIXELS``.
    """
    image = decode(read_bounded(path, MAX_FILE_BYTES, FIX), flags, path)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def decode(data: bytes, flags: int, path: Path) -> NDArray[np.generic]:
    """The content of an image file as ``cv2.imdecode`` gives it; see ``read_rgb``.

    Args:
        data: the content.
        flags: OpenCV's.
        path: where it was read, for the error message.
    """
    try:
        data = check_image(data)
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except (ValueError, struct.error, IndexError, cv2.error) as error:
        words = str(error) if type(error) is ValueError else "the header is damaged"
        raise UserError(f"the image is broken: {words}", path, FIX) from error
    if image is None:
        raise UserError("the image is broken, or cut off", path, FIX)
    return np.asarray(image)


def check_image(data: bytes) -> bytes:
    """Check an image file by its header, and return what of it is to be decoded.

    Raises:
        ValueError: it is of no known format, cut off, or too large.
        struct.error, IndexError: it ends inside its header.
    """
    if data.startswith(PNG_SIGNATURE):
        width, height = struct.unpack_from(">II", data, 16)
    elif data.startswith(b"\xff\xd8"):
        height, width = _jpeg_size(data)
    elif data.startswith(b"BM"):
        height, width = _bmp_size(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        height, width = _webp_size(data)
    elif data[:4] in (b"II*\0", b"MM\0*"):
        height, width = _tiff_size(data)
    else:
        raise ValueError("it is empty" if not data else "it is no PNG, JPEG, BMP, TIFF or WebP")
    if height < 1 or width < 1:
        raise ValueError(f"its size is {height}x{width}")
    if height * width > MAX_PIXELS:
        raise ValueError(f"{height}x{width} are more than {MAX_PIXELS >> 20} megapixels")
    return _strip_png(data) if data.startswith(PNG_SIGNATURE) else data


def _strip_png(data: bytes) -> bytes:
    """The file without what is no part of the picture."""
    kept, place, kind = [data[:8]], 8, b""
    if data[12:16] != b"IHDR":
        raise ValueError("it does not begin with a header")
    while kind != b"IEND":
        (length,), kind = struct.unpack_from(">I", data, place), data[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(data):
            raise ValueError("it is cut off")
        if kind in PNG_CHUNKS:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """From the frame header; the scan after it must have an end."""
    size = None
    for marker, place in _jpeg_segments(data):
        # SOF0 to SOF15; C4, C8 and CC are tables and an extension.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = struct.unpack_from(">HH", data, place + 3)
        if marker == 0xDA:
            if data.find(b"\xff\xd9", place) < 0:
                raise ValueError("it is cut off")
            if data.count(b"\xff\xda", place) > MAX_SCANS:
                raise ValueError(f"it has more than {MAX_SCANS} scans")
            break
    if size is None:
        raise ValueError("it has no frame")
    return size[0], size[1]


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The marker of each segment before the pixels, and where its length stands."""
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError("its segments are damaged")
        marker, place = data[place + 1], place + 1
        if marker == 0xFF:  # filling
            continue
        place += 1
        yield marker, place
        if not (marker == 0x01 or 0xD0 <= marker <= 0xD7):  # these have no content
            place += max(2, struct.unpack_from(">H", data, place)[0])


def _bmp_size(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(height), width


def _webp_size(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data) + 1:  # some writers leave out the last padding
        raise ValueError("it is cut off")
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind != b"VP8 ":
        raise ValueError("it is of an unknown kind of WebP")
    width, height = struct.unpack_from("<HH", data, 26)
    return height & 0x3FFF, width & 0x3FFF


TIFF_SIZES = {1: "B", 3: "H", 4: "I"}  # the types that a size can have
WIDTH, HEIGHT, BITS, CHANNELS, STRIP_ROWS, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 277, 278, 322, 323


def _tiff_size(data: bytes) -> tuple[int, int]:
    """From the first directory, which is the picture that OpenCV reads."""
    order = "<" if data[:2] == b"II" else ">"
    (place,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, place)
    values: dict[int, int] = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
        if kind in TIFF_SIZES:
            fits = number * struct.calcsize(TIFF_SIZES[kind]) <= 4
            at = entry + 8 if fits else struct.unpack_from(order + "I", data, entry + 8)[0]
            values[tag] = struct.unpack_from(order + TIFF_SIZES[kind], data, at)[0]
    height, width = values.get(HEIGHT, 0), values.get(WIDTH, 0)
    rows = values.get(TILE_HEIGHT, min(height, values.get(STRIP_ROWS, height)))
    strip = rows * values.get(TILE_WIDTH, width) * values.get(CHANNELS, 1) * max(8, values.get(BITS, 8)) // 8
    if strip > MAX_STRIP_BYTES:
        raise ValueError(f"its strips or tiles of {strip >> 20} MiB are too large")
    return height, width
