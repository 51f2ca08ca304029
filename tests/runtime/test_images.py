"""An image file is judged by its header, before a pixel is allocated."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.images import MAX_PIXELS, check_image, read_rgb

PICTURE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8), (9, 9), 3)
SUFFIXES = (".png", ".jpg", ".bmp", ".tif", ".webp")


def encode(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, PICTURE)[1])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_opencv_writes_is_read_as_rgb(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode(suffix))
    assert read_rgb(path).shape == PICTURE.shape
    assert np.abs(read_rgb(path)[..., ::-1].astype(int) - PICTURE).mean() < 4


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_image_is_refused(tmp_path, suffix, share):
    data, path = encode(suffix), tmp_path / f"a{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="broken"):
        read_rgb(path)


def resized(suffix: str) -> bytes:
    """The picture with a header that claims 30000 x 30000."""
    data, side = bytearray(encode(suffix)), 30000
    if suffix == ".png":
        data[16:24] = struct.pack(">II", side, side)
    elif suffix == ".jpg":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", side, side)
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<ii", side, -side)
    elif suffix == ".webp":
        data[21:25] = struct.pack("<I", 16000 | 16000 << 14)  # OpenCV writes the lossless kind
    else:
        for tag, old in ((256, 64), (257, 48)):
            for kind, code in ((3, "<HHIHH"), (4, "<HHII")):
                entry = struct.pack(code, tag, kind, 1, old, *([0] if kind == 3 else []))
                data = data.replace(entry, struct.pack(code, tag, kind, 1, side, *([0] if kind == 3 else [])))
    return bytes(data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_header_that_claims_too_much_is_refused(suffix):
    with pytest.raises(ValueError, match=r"megapixels|strips"):
        check_image(resized(suffix))


def test_a_small_file_of_many_pixels_takes_little_memory(tmp_path):
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(30001 * 64)) for _ in range(500))
    (tmp_path / "bomb.png").write_bytes(png(10000, 32000, chunk(b"IDAT", rows + packer.flush())))
    script = (
        "import sys\nfrom pathlib import Path\nfrom mobilevis.runtime.images import read_rgb\n"
        "from mobilevis.runtime.errors import UserError\n"
        "try:\n    read_rgb(Path(sys.argv[1]))\nexcept UserError:\n"
        "    print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "bomb.png")]
    kilobytes = int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
    assert kilobytes < 300_000


def test_texts_that_unpack_to_gigabytes_are_left_out():
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(8_000_000)))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + bytes(3)))
    assert check_image(png(1, 1, *[text] * 1000, pixels)) == png(1, 1, pixels)


def test_a_progressive_jpeg_of_endless_scans_is_refused():
    data = bytes(cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
    assert check_image(data) == data
    place = data.rindex(b"\xff\xda")
    with pytest.raises(ValueError, match="scans"):
        check_image(data[:place] + data[place:-2] * 100 + data[-2:])


def test_a_tiff_with_one_gigantic_strip_is_refused():
    entries = [(256, 4, 16), (257, 4, 16), (322, 4, 30000), (323, 4, 30000)]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    with pytest.raises(ValueError, match="tiles"):
        check_image(b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4))


@pytest.mark.parametrize("content", [b"", b"P6\n99999 99999\n255\n", b"GIF89a", b"#?RADIANCE\n"])
def test_other_formats_are_refused_whatever_their_name(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="broken"):
        read_rgb(tmp_path / "a.png")


def test_devices_pipes_and_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "zero.png", "folder.png", "none.png", "a" * 300 + ".png", "null\0.png"):
        with pytest.raises(UserError):
            read_rgb(tmp_path / name)


def test_the_largest_image_that_is_read_has_64_megapixels():
    assert check_image(png(8192, 8192)) == png(8192, 8192)
    assert MAX_PIXELS == 8192 * 8192
