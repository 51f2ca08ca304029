"""Which object of a frame is which of the frames before: by kernels, by appearance, by overlap.

The associations that a MobileInst's user chooses from are registered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mobilevis.runtime.choices import Choice, Option, describe_choices, find_choice


@dataclass(frozen=True)
class Association(Choice):
    """One way to give identities: (``follower.Setting``, its options by name) → ``follower.Follower``."""

    def make_follower(self, setting: Any, options: Any) -> Any:
        """A follower for one video; see ``Choice.create``."""
        return self.create(setting, options)


# Least cosine of a detection's kernel with its track's.
MATCH_COSINE = Option("match_cosine", 0.5, -1.0, 1.0)
# Keyframes that a track survives without a detection.
KEEP_LOST_KEYFRAMES = Option("keep_lost", 10, 0)
# Least similarity of a detection with its track, see ``AppearanceAssociation``.
MATCH_SIMILARITY = Option("match_similarity", 0.7, -1.0, 2.0)
# Least score of a detection that starts a track.
BIRTH_SCORE = Option("birth_score", 0.2, 0.0, 1.0)
# Frames that a track survives without a detection.
KEEP_LOST_FRAMES = Option("keep_lost", 30, 0)

_HERE = "mobilevis.runtime.association"
ASSOCIATIONS = {
    "slots": Association("the paper's, N fixed identities", f"{_HERE}.kernel_follower:follow_slots"),
    "online": Association(
        "tracks matched by kernels",
        f"{_HERE}.kernel_follower:follow_online",
        (MATCH_COSINE, KEEP_LOST_KEYFRAMES),
    ),
    "appearance": Association(
        "tracks matched by the features under their masks, the best measured",
        f"{_HERE}.appearance_follower:follow_appearances",
        (MATCH_SIMILARITY, BIRTH_SCORE, KEEP_LOST_FRAMES),
    ),
}


def describe_associations() -> str:
    """Every association in words, for help."""
    return describe_choices(ASSOCIATIONS)


def find_association(name: str) -> Association:
    """An association by name.

    Raises:
        ValueError: there is none of this name; lists those there are.
    """
    return find_choice("association", name, ASSOCIATIONS)
