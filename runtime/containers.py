"""Whether a video file was cut off, by the lengths that its container states.

The number of frames in a header is an estimate: edit lists, sound that is longer than the picture, a late
start and a variable rate all make it differ from what plays. Lengths in bytes are facts.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Optional

TS_PACKET = 188
# Element ids of Matroska (RFC 9559): the file's one segment, and in it a cluster of frames.
SEGMENT, CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before a part that holds frames does; False where its format does not tell.

    Known are MP4 and MOV, Matroska and WebM, AVI, and MPEG transport streams.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            head = stream.read(TS_PACKET + 1)
            if head[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"wide", b"skip"):
                return _box_is_cut(stream, size)
            if head.startswith(b"\x1a\x45\xdf\xa3"):
                return _segment_is_cut(stream, size)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                return _riff_is_cut(stream, size)
            if head[:1] == b"G" and head[TS_PACKET:] == b"G":
                return size % TS_PACKET != 0
    except (OSError, struct.error, IndexError):  # no container after all: the decoder's word holds
        return False
    return False


def _box_is_cut(stream: IO[bytes], size: int) -> bool:
    """Of ISO/IEC 14496-12: the top level is boxes of 32-bit size and type, or of 64-bit size behind them."""
    place = 0
    while place + 8 <= size:
        stream.seek(place)
        length, kind = struct.unpack(">I4s", stream.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", stream.read(8))
        if length < 8:  # 0: to the end of the file; else no box
            return False
        place += length
        if place > size:
            return kind in (b"mdat", b"moof", b"moov")
    return False


def _segment_is_cut(stream: IO[bytes], size: int) -> bool:
    """The segment states its length; where a recorder could not go back to write it, its parts do."""
    place = 0
    while place < size:
        kind, begin, length = _element(stream, place)
        if length is None:
            if kind != SEGMENT:
                return False  # a live stream's cluster lasts until the next one
            place = begin
        else:
            place = begin + length
            if place > size:
                return kind in (SEGMENT, CLUSTER)
    return False


def _element(stream: IO[bytes], place: int) -> tuple[bytes, int, Optional[int]]:
    """Id, place and length of an element's content (RFC 8794); the length may be unknown."""
    stream.seek(place)
    head = stream.read(12)
    id_width = 9 - head[0].bit_length()  # both numbers say their width by their first bit
    width = 9 - head[id_width].bit_length()
    if id_width > 4 or width > 8:
        raise struct.error("no element")
    length = int.from_bytes(head[id_width : id_width + width], "big") & ((1 << 7 * width) - 1)
    unknown = length == (1 << 7 * width) - 1
    return head[:id_width], place + id_width + width, None if unknown else length


def _riff_is_cut(stream: IO[bytes], size: int) -> bool:
    """Files above 1 GB have several RIFF parts, one behind the other."""
    place = 0
    while place + 8 <= size:
        stream.seek(place)
        kind, length = struct.unpack("<4sI", stream.read(8))
        if kind != b"RIFF":
            return False
        place += 8 + length
    return place > size + 1
