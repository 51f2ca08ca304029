"""The ways to a device by the prefix of its address; choices, help and error lists are made from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from mobilevis.benchmarks.latency.transports.adb import list_adb, open_adb
from mobilevis.benchmarks.latency.transports.base import Access, Transport
from mobilevis.benchmarks.latency.transports.local import list_local, open_local
from mobilevis.benchmarks.latency.transports.ssh import list_ssh, open_ssh
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import join_words

List = Callable[[Access], list[tuple[str, str]]]


@dataclass(frozen=True)
class TransportKind:
    """One way to devices.

    Attributes:
        target: what follows the prefix in an address, brackets around what may be left out; "" for nothing.
        open: (what follows the prefix, access) → the device.
        list: access → (address, state) of each device that can be found.
    """

    target: str
    open: Callable[[str, Access], Transport]
    list: List

    def takes(self, target: str) -> bool:
        """Whether an address may end so: with a target where one is needed, without where there is none."""
        return bool(self.target) if target else not self.target or self.target.startswith("[")


TRANSPORTS = {
    "local": TransportKind("", open_local, list_local),
    "ssh": TransportKind(":USER@HOST[:PORT]", open_ssh, list_ssh),
    "adb": TransportKind("[:SERIAL]", open_adb, list_adb),
}


def describe_addresses() -> str:
    """How addresses are written: ``local, ssh:USER@HOST[:PORT] or …``."""
    return join_words(f"{prefix}{kind.target}" for prefix, kind in TRANSPORTS.items())


def open_device(address: str, access: Access = Access()) -> Transport:
    """The transport of an address.

    Args:
        address: as ``describe_addresses`` says.
        access: what else the user says of it.

    Raises:
        UserError: there is no such way, or no such device on it.
    """
    prefix, separator, target = address.partition(":")
    kind = TRANSPORTS.get(prefix)
    if kind is None or (separator and not target) or not kind.takes(target):
        raise UserError(f"device {address} is not known", fix=f"give {describe_addresses()}")
    return kind.open(target, access)


def list_addresses(access: Access = Access()) -> list[tuple[str, str]]:
    """(address, state) of the devices that every way finds."""
    return [found for kind in TRANSPORTS.values() for found in kind.list(access)]
