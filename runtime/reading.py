"""Reading files that may be anything: the size is bounded first, and what is no regular file is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mobilevis.runtime.errors import UserError

BLOCK_BYTES = 1 << 16
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # Windows has none


def read_bounded(path: Path, limit: int, fix: str = "check the path") -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    A device or a pipe has the size 0 and no end, so neither is read at all.

    Raises:
        UserError: the file cannot be read, is larger, or is no regular file.
    """
    try:
        # Opening a pipe without a writer would wait for one.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NONBLOCK)) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError("this is no regular file", path, fix)
            data = b""
            # A read takes the memory that it may fill, so never the limit's. The files of /proc have no size.
            block = max(status.st_size, BLOCK_BYTES) + 1
            while status.st_size <= limit >= len(data) and (more := stream.read(block)):
                data += more
            if max(len(data), status.st_size) > limit:
                raise UserError(f"the file is larger than {_in_words(limit)}", path, fix)
            return data
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", path, fix) from error
    except ValueError as error:  # a name with a null byte
        raise UserError(f"cannot read: {error}", path, fix) from error


def path_status(path: Path) -> os.stat_result | None:
    """The file's status; None where there is none, also for a name that no file can have."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _in_words(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
