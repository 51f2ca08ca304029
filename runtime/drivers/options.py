"""The options that every driver takes, with one meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.categories import Category


@dataclass(frozen=True)
class InstanceOptions:
    """Which instances a driver returns; a family's own options derive from it.

    Attributes:
        score_threshold: instances below it are not returned.
        mask_threshold: foreground probability of a mask pixel.
        classes: names of the categories to keep; None keeps all.
    """

    score_threshold: float = 0.3
    mask_threshold: float = 0.5
    classes: Optional[Sequence[str]] = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score_threshold <= 1.0 or not 0.0 < self.mask_threshold < 1.0:
            raise ValueError("score and mask thresholds are probabilities")

    @classmethod
    def extend(cls, given: Mapping[str, Any]) -> type[InstanceOptions]:
        """The class that holds the options given: another one where a choice among them brings its own.

        Args:
            given: name → value, not checked yet.

        Raises:
            ValueError: the choice is not known.
        """
        return cls


def check_types(options_class: type, options: Mapping[str, Any]) -> None:
    """Refuse options whose values are not of their fields' types: they are typed in, or come from JSON.

    Args:
        options_class: a dataclass of options; its fields are annotated with int, float, str, bool, a sequence
            of str, or an Optional of one.
        options: name of a field → value.

    Raises:
        ValueError: a value is of another type.
    """
    hints = get_type_hints(options_class)
    for name, value in options.items():
        hint = hints[name]
        kinds = get_args(hint) if get_origin(hint) is Union else (hint,)
        if not any(_is_a(value, kind) for kind in kinds):
            raise ValueError(f"{name} is {value!r:.40}, not {' or '.join(map(_word, kinds))}")


def _is_a(value: Any, kind: Any) -> bool:
    if get_origin(kind) is not None:  # Sequence[str]
        return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, {int: Integral, float: Real}.get(kind, kind))  # NumPy's numbers too


def _word(kind: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(kind, "a list of names")


def class_filter(known: Sequence[Category], names: Optional[Sequence[str]]) -> Optional[NDArray[np.bool_]]:
    """Which class indices to keep, (C,) bool; None where all are kept.

    Args:
        known: the artefact's classes.
        names: of the categories to keep, or None.

    Raises:
        ValueError: a name is not one of the artefact's; the text lists these.
    """
    if names is None:
        return None
    own = [info.name for info in known]
    unknown = sorted(set(names) - set(own))
    if unknown:
        raise ValueError(f"no class {', '.join(unknown)}; the artefact knows {', '.join(own)}")
    return np.array([name in names for name in own])
