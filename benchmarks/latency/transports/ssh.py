"""A board over the system's OpenSSH, with the user's own configuration, keys and known hosts."""

from __future__ import annotations

import re
import shlex
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Optional

from mobilevis.benchmarks.latency.transports.base import (
    INSTALL_PYTHON,
    Access,
    Finished,
    OnLine,
    TransportError,
    collect_into,
    execute,
    free_bytes,
    parse_files,
    quote,
    reading_script,
    tree_size,
)
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import disk_errors

MARK = "@mobilevis begins"
CONNECTION_FAILED = 255  # ssh's own status, of all the statuses that a remote command has
NOT_FOUND = 127  # a shell's status for a program that is not there
TIMEOUTS = ("-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
FAULTS = {
    r"Permission denied \(|Too many authentication failures": (
        "key refused",
        "add your key to the device's authorized_keys, or load it with ssh-add",
    ),
    r"Host key verification failed": ("host key not trusted", "connect once with ssh by hand, check the key"),
    r"resolve hostname|Connection refused|No route to host|Network is unreachable|connect to .* timed out": (
        "host unreachable",
        "check the address, the network and that sshd runs",
    ),
    r"Connection (?:to .* )?closed|Connection reset|Broken pipe|not responding": (
        "host lost",
        "check the network and the device's power, then run again",
    ),
}
ADDRESS = re.compile(r"(?P<host>(?:[\w.+-]+@)?(?:\[[0-9A-Fa-f:.%\w]+\]|[\w][\w.-]*))(?::(?P<port>\d{1,5}))?")


class SshTransport:
    """A host with sshd, a POSIX shell and tar.

    Files go down the same channel as commands: scp and sftp end where a login shell prints a banner, and many
    boards (dropbear, busybox) have no sftp server. A login shell of any kind sees plain words only.

    Args:
        target: ``[USER@]HOST[:PORT]``; HOST may be a name from the user's ssh configuration.
        config: another ssh configuration than the user's.
        python: the Python there.
        scratch: where temporary folders may be made there.

    Raises:
        UserError: the target is no such address.
    """

    python_advice = INSTALL_PYTHON

    def __init__(
        self, target: str, config: Optional[Path] = None, python: str = "python3", scratch: str = "/tmp"
    ) -> None:
        match = ADDRESS.fullmatch(target)
        if match is None:
            raise UserError(f"{target} is not an ssh address", fix="give ssh:USER@HOST or ssh:USER@HOST:PORT")
        self.address = f"ssh:{target}"
        self.python = python
        self.scratch = scratch
        self._host = match["host"].replace("[", "").replace("]", "")  # ssh wants IPv6 without brackets
        self._options = ["-o", "BatchMode=yes", *TIMEOUTS]
        if match["port"]:
            self._options += ["-o", f"Port={match['port']}"]
        if config is not None:
            self._options += ["-F", str(config)]

    def push(self, local: Path, remote: str) -> None:
        """Copy a file or a folder, as an archive that tar unpacks there."""
        folder, _, name = remote.rpartition("/")
        with tempfile.TemporaryFile() as archive:
            try:
                write_archive(local, name, archive)
            except OSError as error:
                fix = "check the file, and the space for temporary files here"
                raise UserError(f"cannot pack it for the device: {error.strerror}", local, fix) from error
            done = self._ssh(f"tar xf - -C {shlex.quote(folder)}", stdin=archive)
        if done.status == 0:
            return
        if done.status == NOT_FOUND:
            raise UserError("the device has no tar", self.address, "install it there")
        free = free_bytes(self, folder)
        if free is not None and free < tree_size(local):
            raise UserError(
                f"no space on {self.address}: {free} bytes are free", folder, "free some space there"
            )
        raise UserError(f"cannot copy to {self.address}: {done.complaint}", remote)

    def pull(self, remote: str, local: Path) -> None:
        """Copy one text file back."""
        with disk_errors(local), local.open("w", encoding="utf-8", newline="") as file:
            done = self.run(["cat", remote], file.write)
        if done.status != 0:
            raise UserError(f"cannot copy from {self.address}: {done.complaint}", remote)

    def run(self, command: Sequence[str], on_line: Optional[OnLine] = None) -> Finished:
        """Run a program over ssh.

        Sshd hands its command to the account's login shell, which may be fish or tcsh: all that it sees is
        ``sh -s``. ``exit $?`` keeps that sh from becoming the program: a program killed by a signal would
        make ssh end with 255, as a lost connection does.
        """
        script = f"printf '\\n%s\\n' '{MARK}'; {quote(command)} </dev/null; exit $?\n"
        lines: list[str] = []
        with tempfile.TemporaryFile() as stdin:
            stdin.write(script.encode())
            done = self._ssh("sh -s", stdin, _AfterMark(on_line or collect_into(lines)))
        return replace(done, stdout="".join(lines))

    def read(self, globs: Iterable[str]) -> dict[str, str]:
        """Read files there, in one round trip."""
        return parse_files(self.run(["sh", "-c", reading_script(globs)]).stdout)

    def _ssh(self, words: str, stdin: IO[bytes], on_line: Optional[OnLine] = None) -> Finished:
        """Let the login shell there run a line of plain words, on what the file holds."""
        stdin.seek(0)
        done = execute(["ssh", "-T", *self._options, "--", self._host, words], on_line, stdin)
        if done.status == CONNECTION_FAILED or done.status < 0:
            raise connection_error(self.address, done)
        return done


def write_archive(local: Path, name: str, archive: IO[bytes]) -> None:
    """Write a file or a folder as a tar archive, under another name, with nobody's ownership.

    In GNU's format: busybox's tar knows its long names, but not those of the newer one.
    """

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT, dereference=True) as tar:
        tar.add(local, name, filter=anonymous)


class _AfterMark:
    """Hands on the lines after the mark: a login shell may print a banner before it."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line, self._begun = on_line, False

    def __call__(self, line: str) -> None:
        if self._begun:
            self._on_line(line)
        self._begun = self._begun or line.strip() == MARK


def connection_error(address: str, done: Finished) -> TransportError:
    """What ssh's complaint means, with ssh's own words.

    Ssh has one exit status for all of this; its messages have been the same for decades.
    """
    for words, (what, fix) in FAULTS.items():
        found = re.search(f".*(?:{words}).*", done.stderr)
        if found:
            return TransportError(f"{what}: {found[0].strip()}", address, fix)
    return TransportError(
        f"host lost: {done.complaint}", address, "check the network and the device's power, then run again"
    )


def open_ssh(target: str, access: Access) -> SshTransport:
    """The host of an address.

    Raises:
        UserError: the target is no host.
    """
    return SshTransport(target, config=access.ssh_config, **access.overrides())


def list_ssh(access: Access) -> list[tuple[str, str]]:
    """(address, state) of the given hosts, each tried once."""
    found = []
    for host in access.ssh_hosts:
        try:
            SshTransport(host, access.ssh_config).run(["true"])
            found.append((f"ssh:{host}", "ready"))
        except UserError as error:
            found.append((f"ssh:{host}", error.what))
    return found
