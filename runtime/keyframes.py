"""Which frames are keyframes: the policies that a MobileInst's user chooses from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Protocol

from mobilevis.runtime.choices import Choice, Option, describe_choices, find_choice

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
class KeyframePolicy(Choice):
    """One way to choose keyframes: (T, its options by name) → ``Keyframes``."""

    def start(self, interval: int, options: Any) -> Keyframes:
        """The keyframes of one video with T = ``interval`` ≥ 1; see ``Choice.create``.

        Raises:
            ValueError: the options contradict each other.
        """
        keyframes: Keyframes = self.create(interval, options)
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
    """Every policy in words, for help."""
    return describe_choices(KEYFRAME_POLICIES)


def find_policy(name: str) -> KeyframePolicy:
    """A policy by name.

    Raises:
        ValueError: there is none of this name; lists those there are.
    """
    return find_choice("keyframe policy", name, KEYFRAME_POLICIES)
