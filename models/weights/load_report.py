"""What came of loading weights, for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """What came of loading weights into a model that was there before.

    Attributes:
        loaded: the model's tensors that were set.
        missing: the model's tensors that the file lacks, or that were not wanted; they keep their values.
        unmatched: the file's tensors that the model has no place for, by their names there.
        other_classes: the model's tensors with one row a class that keep their values, because the file's are
            for another number of classes.
        classes: class of the model → the file's class whose rows it starts from, where these go by class.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    other_classes: tuple[str, ...] = ()
    classes: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for the user: what was loaded, and the names of what was not."""
        parts = [f"loaded {len(self.loaded)} tensors"]
        for what, names in (
            ("keep their initial values", self.missing),
            ("keep their initial values, the file is for other classes", self.other_classes),
            ("of the file have no place in the model", self.unmatched),
        ):
            if names:
                shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
                parts.append(f"{len(names)} {what} ({shown})")
        if self.classes:
            starts = (own if own == other else f"{own} from {other}" for own, other in self.classes.items())
            parts.append(f"classes that start from the file's: {', '.join(starts)}")
        return "; ".join(parts)
