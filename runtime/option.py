"""A number that a choice in a registry is tuned by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """A number that an association or a keyframe policy is tuned by.

    Attributes:
        name: an identifier, the option's name for users.
        default: a whole number where only whole numbers make sense.
        least: the smallest value.
        most: the greatest value.
    """

    name: str
    default: Any
    least: float
    most: float = math.inf

    def check(self, value: float) -> None:
        """Refuse a value out of range.

        Raises:
            ValueError: says the range.
        """
        if not self.least <= value <= self.most:
            least, most = f"{self.least:g}", f"{self.most:g}"
            bounds = f"{least} or more" if math.isinf(self.most) else f"in [{least}, {most}]"
            raise ValueError(f"{self.name} is {value}, it must be {bounds}")
