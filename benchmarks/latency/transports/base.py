"""What every way to a device offers: push, run, pull and read; and how a local command is run for it."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Callable, Optional, Protocol

from mobilevis.runtime.errors import UserError

OnLine = Callable[[str], object]
MAX_LINE = 1 << 22  # a second's samples of a journal are some kilobytes
MAX_OUTPUT = 1 << 24
MAX_ERRORS = 1 << 16
FILE_MARK = "@file "
INSTALL_PYTHON = "install Python 3.9 or newer and NumPy there, or give --python"


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        status: exit status; negative for the signal that killed it here, above 128 for one there.
        stdout: what it printed, unless each line went to a callback.
        stderr: the end of what it complained.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The last line of standard error, or the exit status where there is none."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.status}"


class TransportError(UserError):
    """The device cannot be reached, or was lost."""


@dataclass(frozen=True)
class Access:
    """What a user says of devices beside their addresses.

    Attributes:
        python: the Python there, where it is not the usual one.
        scratch: a folder there for temporary folders, where it is not the usual one.
        ssh_config: for ssh, another configuration than the user's.
        ssh_hosts: hosts to try when devices are listed, ``USER@HOST[:PORT]``.
    """

    python: Optional[str] = None
    scratch: Optional[str] = None
    ssh_config: Optional[Path] = None
    ssh_hosts: tuple[str, ...] = ()

    def overrides(self) -> dict[str, str]:
        """Arguments of a transport that differ from its defaults."""
        given = {"python": self.python, "scratch": self.scratch}
        return {name: value for name, value in given.items() if value is not None}


class Transport(Protocol):
    """One device.

    Attributes:
        address: as the user gave it, such as ``ssh:pi@board``.
        python: the Python there.
        scratch: where temporary folders may be made there.
        python_advice: what to do where it has no Python.
    """

    address: str
    python: str
    scratch: str
    python_advice: str

    def push(self, local: Path, remote: str) -> None:
        """Copy a file, or a folder with what it holds, to the path ``remote``.

        Raises:
            TransportError: the device is out of reach.
            UserError: it cannot be written there.
        """
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Copy one file of UTF-8 text back, such as the journal."""
        ...

    def run(self, command: Sequence[str], on_line: Optional[OnLine] = None) -> Finished:
        """Run a program there, without a shell's interpretation of its arguments.

        Args:
            command: program and arguments.
            on_line: gets each line of standard output as it comes.

        Raises:
            TransportError: the device is out of reach, or was lost before the program ended.
        """
        ...

    def read(self, globs: Iterable[str]) -> dict[str, str]:
        """Path → text of the files there that match the patterns and can be read."""
        ...


def execute(
    command: Sequence[str],
    on_line: Optional[OnLine] = None,
    stdin: Optional[IO[bytes]] = None,
    before: Optional[Callable[[], None]] = None,
) -> Finished:
    """Run a program on this machine; it is ended, not orphaned, when this process is interrupted.

    Args:
        command: program and arguments.
        on_line: gets each line of standard output as it comes.
        stdin: an open file that it reads; None for nothing.
        before: called in the new process, before the program begins.

    Raises:
        UserError: there is no such program here, or it answers without end.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is ours to hand on, in order
                preexec_fn=before,
            )
        except OSError as error:
            raise UserError(f"cannot run {command[0]}: {error.strerror}", fix="install it") from error
        collected: list[str] = []
        try:
            assert process.stdout is not None
            _drain(process.stdout, on_line or collect_into(collected))
            status = process.wait()
        finally:
            _end(process)
        size = errors.seek(0, 2)
        errors.seek(max(0, size - MAX_ERRORS))
        return Finished(status, "".join(collected), errors.read().decode("utf-8", "replace"))


def collect_into(collected: list[str]) -> OnLine:
    """Gather lines up to MAX_OUTPUT characters.

    Raises:
        UserError: by what is returned, for more.
    """
    size = 0

    def add(line: str) -> None:
        nonlocal size
        size += len(line)
        if size > MAX_OUTPUT:
            raise UserError(
                f"a command answers with more than {MAX_OUTPUT >> 20} MiB",
                fix="check the device and the command",
            )
        collected.append(line)

    return add


def _drain(stream: IO[bytes], on_line: OnLine) -> None:
    for line in iter(lambda: stream.readline(MAX_LINE), b""):
        on_line(line.decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def describe_status(status: int) -> str:
    """``killed by SIGKILL`` or ``exit status 3``; a shell reports a signal as 128 plus its number."""
    number = -status if status < 0 else status - 128
    if number in set(signal.Signals):
        return f"killed by {signal.Signals(number).name}"
    return f"exit status {status}"


def reading_script(globs: Iterable[str]) -> str:
    """A POSIX shell script that prints the readable files that match, each after a line that names it."""
    patterns = " ".join(globs)  # ours, never a user's: left bare for the shell to expand
    return (
        f'for f in {patterns}; do if [ -f "$f" ] && [ -r "$f" ]; '
        f'then echo "{FILE_MARK}$f"; cat "$f" 2>/dev/null; echo; fi; done'
    )


def parse_files(text: str) -> dict[str, str]:
    """Path → text of what ``reading_script`` printed."""
    files: dict[str, list[str]] = {}
    path = None
    for line in text.splitlines(keepends=True):
        if line.startswith(FILE_MARK):
            path = line[len(FILE_MARK) :].strip()
            files[path] = []
        elif path is not None:
            files[path].append(line)
    return {path: "".join(lines).rstrip("\n") for path, lines in files.items()}


def make_folder(transport: Transport) -> str:
    """A new folder of our own on the device.

    Raises:
        UserError: none can be made.
    """
    template = f"{transport.scratch}/mobilevis.XXXXXX"
    done = transport.run(["mktemp", "-d", template])
    # A login shell may print a banner before it.
    folder = (done.stdout.strip().splitlines() or [""])[-1].strip()
    made = re.fullmatch(re.escape(f"{transport.scratch}/mobilevis.") + r"\w{1,32}", folder, re.ASCII)
    if done.status != 0 or made is None:
        raise UserError(f"cannot make a folder on the device: {done.complaint}", transport.address)
    return folder


def remove_folder(transport: Transport, folder: str) -> None:
    """Remove what ``make_folder`` made.

    Raises:
        UserError: it is still there.
    """
    done = transport.run(["rm", "-rf", folder])
    if done.status != 0:
        raise UserError(f"cannot remove {folder}: {done.complaint}", transport.address)


def free_bytes(transport: Transport, folder: str) -> Optional[int]:
    """Bytes free where the folder is; None where the device's ``df`` does not tell."""
    done = transport.run(["df", "-Pk", folder])
    # A filesystem's or a folder's name may hold spaces; what follows the capacity's % is a folder.
    found = re.search(r" ([0-9]{1,18}) +[0-9]{1,3}% [^\n]*\n?\Z", done.stdout) if done.status == 0 else None
    return int(found[1]) * 1024 if found else None


def quote(command: Sequence[str]) -> str:
    """The command as one line for a POSIX shell."""
    return " ".join(shlex.quote(word) for word in command)


def local_path(path: Path) -> str:
    """A path that adb takes for a file's here: it reads ``-x`` as an option."""
    return str(path.absolute())


def tree_size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
