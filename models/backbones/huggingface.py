"""Hugging Face transformers, which only some models need."""

from __future__ import annotations

from typing import Any


def load_transformers(name: str) -> Any:
    """The package ``transformers``.

    Args:
        name: of the backbone that comes from it.

    Raises:
        ImportError: it is not installed; the text says what to install.
    """
    try:
        import transformers
    except ImportError as error:
        raise ImportError(f"{name} comes from transformers: pip install transformers") from error
    return transformers
