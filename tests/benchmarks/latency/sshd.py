"""A real sshd on a loopback port, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@dataclass
class Sshd:
    """A listener; its files lie in ``folder``."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def write_config(
        self,
        name: str,
        key: Optional[Path] = None,
        known_hosts: Optional[Path] = None,
        port: Optional[int] = None,
    ) -> Path:
        """What a user would have in ~/.ssh/config, for the host ``board``."""
        path = self.folder / name
        path.write_text(
            f"Host board\n  HostName 127.0.0.1\n  Port {port or self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {key or self.folder / 'user'}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {known_hosts or self.folder / 'known_hosts'}\n"
            "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
        )
        return path


def make_key(path: Path) -> Path:
    """A key pair without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@contextmanager
def start_sshd(folder: Path, login_shell: str = "") -> Iterator[Sshd]:
    """Start one and wait until it lets us in.

    Args:
        folder: for its files.
        login_shell: a command that gets ``$SSH_ORIGINAL_COMMAND``, as an account's shell would; "" for ours.
    """
    host_key, user_key = make_key(folder / "host"), make_key(folder / "user")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to run as root without it
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host_key}\nAuthorizedKeysFile {user_key}.pub\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        + (f"ForceCommand {login_shell}\n" if login_shell else "")
    )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {Path(f'{host_key}.pub').read_text()}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
        server = Sshd(folder, port, process)
        try:
            config = server.write_config("probe")
            deadline = time.monotonic() + 20
            while subprocess.run(["ssh", "-F", config, "board", "true"], capture_output=True).returncode:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.skip(f"sshd does not run here: {(folder / 'log').read_text()[-300:]}")
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait()
