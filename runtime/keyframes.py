"""Which frames are keyframes: the policies that a MobileInst's user chooses from.

Choices, help, options and error lists are made from the table. Implementations are named, not imported, so
that the command line can list them without NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Optional, Protocol

from mobilevis.runtime.errors import suggest
from mobilevis.runtime.option import Option

if TYPE_CHECKING:
    from mobilevis.runtime.arrays import Array

FIXED = "fixed"


class Keyframes(Protocol):
    """Chooses the keyframes of one video; the state between frames is its own.

    Attributes:
        reads_features: whether it looks at features; ``watch`` and ``features`` are for these only.
    """

    reads_features: bool

    def watch(self, features: Array) -> None:
        """Take what a frame between keyframes shows, where it is known only after ``decide``.

        Args:
            features: (D, h, w) float32 mask features without the input's padding, from the same entry each
                time.
        """
        ...

    def decide(self, features: Optional[Array] = None) -> bool:
        """Whether the next frame is a keyframe; asked once a frame.

        Args:
            features: the frame's own, as ``watch`` takes them; None where they are not known yet.
        """
        ...


@dataclass(frozen=True)
class KeyframePolicy:
    """One way to choose keyframes.

    Attributes:
        description: in words, without an article.
        implementation: ``module:name``, (T, its options by name) → ``Keyframes``.
        options: its own.
    """

    description: str
    implementation: str
    options: tuple[Option, ...] = ()

    def start(self, interval: int, options: Any) -> Keyframes:
        """The keyframes of one video.

        Args:
            interval: T ≥ 1, frames for each keyframe.
            options: has the policy's own options as attributes; others are left alone.

        Raises:
            ValueError: the options contradict each other.
        """
        own = {option.name: getattr(options, option.name) for option in self.options}
        keyframes: Keyframes = resolve_name(self.implementation)(interval, **own)
        return keyframes


class EveryTthFrame:
    """The paper's: frames 0, T, 2T, … (MobileInst §3.4)."""

    reads_features = False

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._frame = -1

    def watch(self, features: Array) -> None:
        """See ``Keyframes``."""

    def decide(self, features: Optional[Array] = None) -> bool:
        """See ``Keyframes``."""
        self._frame += 1
        return self._frame % self._interval == 0


# Frames after which a keyframe comes though nothing moved; twice the mean interval where that is longer.
LONGEST_INTERVAL = Option("longest_interval", 12, 1)
# Frames from a keyframe to the next at least.
SHORTEST_INTERVAL = Option("shortest_interval", 1, 1)

KEYFRAME_POLICIES = {
    FIXED: KeyframePolicy("the paper's, every T-th frame", "mobilevis.runtime.keyframes:EveryTthFrame"),
    "drift": KeyframePolicy(
        "when features have moved on from the last keyframe's, one in T on average at most",
        "mobilevis.runtime.drift:DriftKeyframes",
        (LONGEST_INTERVAL, SHORTEST_INTERVAL),
    ),
}


def describe_policies() -> str:
    """Every policy in words, for help: ``fixed (the paper's, …), …``."""
    return ", ".join(f"{name} ({policy.description})" for name, policy in KEYFRAME_POLICIES.items())


def find_policy(name: str) -> KeyframePolicy:
    """A policy by name.

    Raises:
        ValueError: there is none of this name; lists those there are.
    """
    if name not in KEYFRAME_POLICIES:
        raise ValueError(f"unknown keyframe policy {name}; {suggest(name, KEYFRAME_POLICIES)}")
    return KEYFRAME_POLICIES[name]
