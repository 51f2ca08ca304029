"""Write the documents' tables and plots from the recorded results, so that no figure is typed by hand.

    python -m docs.tables             # from the records, between the markers of README.md and docs/**/*.md
    python -m docs.tables --count     # counts the models' sizes anew first

The records are those that ``mobilevis export`` and ``mobilevis bench … --json`` write, under docs/results/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mobilevis.training.reference import configuration_tables

from .accuracy import curve_table, engine_table
from .card import (
    starter_changes,
    starter_classes,
    starter_identity,
    starter_neighbours,
    starter_steps,
    starter_table,
    starter_tracks,
)
from .exports import export_table
from .instructions import instruction_table
from .keyframes import keyframe_table, left_out_table
from .lite import lite_table
from .own_data import own_data_table
from .precision import computed_table, precision_ap_table, precision_table
from .ratios import peer_table, ratio_table
from .records import DOCS, ROOT, SYSTEMS
from .routing import relation_table, routing_table
from .sizes import size_table
from .soak import held_table
from .systems import system_table

# What a marker names → the table; the marker's other words are its arguments.
TABLES: dict[str, Callable[..., str]] = {
    "accuracy-curve": curve_table,
    "accuracy-engines": engine_table,
    "configuration": configuration_tables,
    "exports": export_table,
    "instructions": instruction_table,
    "keyframes": keyframe_table,
    "keyframes-left-out": left_out_table,
    "lite": lite_table,
    "own-data": own_data_table,
    "peers": peer_table,
    "precision": precision_table,
    "precision-ap": precision_ap_table,
    "precision-computed": computed_table,
    "ratios": ratio_table,
    "routing": routing_table,
    "routing-relation": relation_table,
    "sizes": size_table,
    "starter": starter_table,
    "starter-changes": starter_changes,
    "starter-classes": starter_classes,
    "starter-identity": starter_identity,
    "starter-neighbours": starter_neighbours,
    "starter-steps": starter_steps,
    "starter-tracks": starter_tracks,
    "soak": held_table,
    "systems": system_table,
    "systems-exports": lambda: export_table(SYSTEMS),
}
_BLOCK = re.compile(r"<!-- ([\w /-]+): begin -->\n.*?<!-- \1: end -->", re.DOTALL)


def with_tables(document: str) -> str:
    """A document with the tables between its markers replaced."""

    def write(found: re.Match[str]) -> str:
        marker = found.group(1)
        name, *arguments = marker.split()
        return f"<!-- {marker}: begin -->\n{TABLES[name](*arguments)}<!-- {marker}: end -->"

    return _BLOCK.sub(write, document)


def documents() -> list[Path]:
    """The documents that may hold tables."""
    return [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
