"""Tensors' names as another publisher has them, by a list of patterns and what stands for them."""

from __future__ import annotations

import re

Renaming = list[tuple[str, str]]


def rename(name: str, renaming: Renaming) -> str:
    """A name after all of a list's replacements, in order; each at its beginning."""
    for pattern, new in renaming:
        name = re.sub(f"^{pattern}", new, name)
    return name
