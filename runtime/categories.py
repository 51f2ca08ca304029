"""What a class is called, in a data set, a checkpoint, an artefact and a results file alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A class: the data set's own id (from 1, with gaps in COCO; results files carry it) and its name."""

    id: int
    name: str
