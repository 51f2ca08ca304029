"""Load each artefact that standard input names, check its parity vectors, and print what became of it.

A process of its own, so that an engine that crashes on a damaged file is one fault and not the end.
"""

from __future__ import annotations

import sys

from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.parity_vectors import check_parity_vectors


def outcome(path: str) -> str:
    """``refused``, ``whole``, or what is wrong."""
    try:
        artefact = load_artefact(path)
    except UserError:
        return "refused"
    except Exception as error:
        return f"loading raised {type(error).__name__}: {error}"
    try:
        check_parity_vectors(artefact)
    except Exception as error:
        return f"loaded, then {type(error).__name__}: {error}"
    return "whole"


if __name__ == "__main__":
    for line in sys.stdin:
        print(repr(outcome(line.rstrip("\n"))), flush=True)
