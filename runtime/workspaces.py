"""Hidden folders beside an output in which it is written, their removal after a kill, and the last step."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

if sys.platform != "win32":
    import fcntl

OWNER = ".owner"  # locked for as long as the workspace's process lives
MARK = ".mobilevis"
ATTEMPTS = 100
AT_FDCWD = -100  # fcntl.h
RENAME_EXCHANGE = 2  # linux/fs.h


@contextmanager
def workspace_beside(target: Path) -> Iterator[Path]:
    """A new hidden folder beside ``target``, named after it; those that killed processes left are removed.

    Raises:
        OSError: the place cannot be written.
    """
    _remove_leftovers(target.parent)
    path = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=MARK, dir=target.parent))
    lock = None
    try:
        lock = _take(path)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:  # given up last: no other process takes the folder for a leftover
            os.close(lock)


def _take(path: Path) -> Optional[int]:
    if sys.platform == "win32":
        return None
    # Locked before it has the name that others look for.
    descriptor = os.open(path / "new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)  # a file system without locks: its leftovers stay
        (path / "new").unlink()
        return None
    (path / "new").rename(path / OWNER)
    return descriptor


def _remove_leftovers(folder: Path) -> None:
    """Remove the workspaces whose process lives no more."""
    if sys.platform == "win32":
        return
    for path in folder.glob(f".*{MARK}"):
        try:
            descriptor = os.open(path / OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue  # its process lives
        finally:
            os.close(descriptor)


def replace_folder(new: Path, target: Path) -> None:
    """Give ``new`` the name ``target``; a folder that had it goes where ``new`` was.

    One step where the system can exchange two names (``renameat2``, Linux 3.15). Elsewhere two, and the old
    folder comes back if the second fails.

    Raises:
        OSError: the system refuses, or another process keeps on replacing the same folder.
    """
    for _ in range(ATTEMPTS):  # two exports at once: the name may come and go between two steps
        try:
            if target.is_dir():
                if not _exchange(new, target):
                    _replace_in_two_steps(new, target)
            else:
                new.rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(target))


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot."""
    function = _renameat2()
    if function is None:
        return False
    if function(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _renameat2() -> Any:
    # Only Linux has it, and glibc since 2.28.
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None


def _replace_in_two_steps(new: Path, target: Path) -> None:
    old = new.with_name(f"{new.name}.old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if not target.exists():
            old.rename(target)
        else:  # another process put its folder there meanwhile; both stay
            old.rename(Path(tempfile.mkdtemp(prefix=f"{target.name}.old-", dir=target.parent)))
        raise
