"""A board over the system's OpenSSH, with the user's own configuration, keys and known hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

from mobilevis.benchmarks.latency.transports.base import (
    INSTALL_PYTHON,
    Access,
    Finished,
    OnLine,
    TransportError,
    collect_into,
    execute,
    free_bytes,
    local_path,
    parse_files,
    quote,
    reading_script,
    tree_size,
)
from mobilevis.runtime.errors import UserError

MARK = "@mobilevis begins"
CONNECTION_FAILED = 255  # ssh's own status, of all the statuses that a remote command has
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
    r"Connection (?:to .* )?closed|Connection reset|Broken pipe|not responding|lost connection": (
        "host lost",
        "check the network and the device's power, then run again",
    ),
}
ADDRESS = re.compile(r"(?P<host>(?:[\w.+-]+@)?(?:\[[0-9A-Fa-f:.%\w]+\]|[\w][\w.-]*))(?::(?P<port>\d{1,5}))?")


class SshTransport:
    """A host with sshd.

    Args:
        target: ``[USER@]HOST[:PORT]``; HOST may be a name from the user's ssh configuration.
        config: another ssh configuration file than the user's.
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
        self._host = match["host"]
        self._options = ["-o", "BatchMode=yes", *TIMEOUTS]
        if match["port"]:
            self._options += ["-o", f"Port={match['port']}"]
        if config is not None:
            self._options += ["-F", str(config)]

    def push(self, local: Path, remote: str) -> None:
        """Copy a file or a folder with scp."""
        done = execute(["scp", "-qr", *self._options, "--", local_path(local), f"{self._host}:{remote}"])
        if done.status == 0:
            return
        self._check_connection(done)
        folder = remote.rpartition("/")[0]
        free = free_bytes(self, folder)
        if free is not None and free < tree_size(local):
            # scp over SFTP reports a full disk as no more than "Failure".
            raise UserError(
                f"no space on {self.address}: {free} bytes are free", folder, "free some space there"
            )
        raise UserError(f"cannot copy to {self.address}: {done.complaint}", remote)

    def pull(self, remote: str, local: Path) -> None:
        """Copy one file back with scp."""
        done = execute(["scp", "-q", *self._options, "--", f"{self._host}:{remote}", local_path(local)])
        if done.status != 0:
            self._check_connection(done)
            raise UserError(f"cannot copy from {self.address}: {done.complaint}", remote)

    def run(self, command: Sequence[str], on_line: Optional[OnLine] = None) -> Finished:
        """Run a program over ssh.

        Sshd hands its command to the account's login shell, which may be fish or tcsh: all that it sees is
        ``sh -s``. ``exit $?`` keeps that sh from becoming the program: a program killed by a signal would
        make ssh end with 255, as a lost connection does.
        """
        script = f"printf '\\n%s\\n' '{MARK}'; {quote(command)} </dev/null; exit $?\n"
        lines: list[str] = []
        done = execute(
            ["ssh", "-T", *self._options, "--", self._ssh_host, "sh -s"],
            _AfterMark(on_line or collect_into(lines)),
            stdin=script,
        )
        done = replace(done, stdout="".join(lines))
        if done.status == CONNECTION_FAILED or done.status < 0:
            raise connection_error(self.address, done)
        return done

    def read(self, globs: Iterable[str]) -> dict[str, str]:
        """Read files there, in one round trip."""
        return parse_files(self.run(["sh", "-c", reading_script(globs)]).stdout)

    @property
    def _ssh_host(self) -> str:
        """scp wants an IPv6 address in brackets, ssh without."""
        return self._host.replace("[", "").replace("]", "")

    def _check_connection(self, done: Finished) -> None:
        """Raise if scp failed for the connection: it ends with 1 for a full disk, too."""
        if done.status == CONNECTION_FAILED or any(re.search(words, done.stderr) for words in FAULTS):
            raise connection_error(self.address, done)


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
