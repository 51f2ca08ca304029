"""What ``mobilevis bench`` evaluates: an artefact, or a checkpoint in eager PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mobilevis.runtime.errors import UserError

if TYPE_CHECKING:
    from mobilevis.runtime.engines.base import Artefact


def open_measured(
    artefact: Optional[Path],
    checkpoint: Optional[Path],
    input_size: Optional[str],
    max_instances: Optional[int],
    engine: Optional[str],
    threads: int,
) -> tuple[Artefact, dict[str, Any]]:
    """Load the one of the two that is given, and say which it is.

    Raises:
        UserError: none or both are given, or the one cannot be loaded.
    """
    if checkpoint is not None and artefact is None:
        return _open_checkpoint(checkpoint, input_size, max_instances)
    if artefact is not None and checkpoint is None:
        return _open_artefact(artefact, engine, threads)
    raise UserError("nothing, or two things to evaluate", fix="give an artefact or a --checkpoint")


def _open_artefact(path: Path, engine: Optional[str], threads: int) -> tuple[Artefact, dict[str, Any]]:
    """Load an artefact, and say which it is."""
    from mobilevis.runtime.artefact import load_artefact
    from mobilevis.runtime.files import sha256_of

    loaded = load_artefact(path, engine, threads)
    return loaded, _facts(loaded, loaded.path, sha256_of(loaded.path))


def _open_checkpoint(
    path: Path, input_size: Optional[str], max_instances: Optional[int]
) -> tuple[Artefact, dict[str, Any]]:
    """Load a checkpoint, and say which it is."""
    from mobilevis.cli.eager import open_checkpoint

    eager = open_checkpoint(path, input_size, max_instances)
    return eager, _facts(eager, path, str(eager.metadata.checkpoint_sha256))


def _facts(artefact: Artefact, path: Path, sha256: str) -> dict[str, Any]:
    metadata = artefact.metadata
    return {
        "file": path.name,
        "sha256": sha256,
        "model": metadata.model,
        "input_size": metadata.input_size,
        "precision": metadata.precision,
        "checkpoint_sha256": metadata.checkpoint_sha256,
        "engine": artefact.engine,
        "threads": artefact.threads,
        "tools": dict(metadata.tools),
    }
