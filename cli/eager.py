"""Trained models that were never exported: in eager PyTorch, behind the engines' interface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mobilevis.runtime.errors import UserError, suggest
from mobilevis.runtime.files import file_exists

if TYPE_CHECKING:
    from mobilevis.export.eager import EagerArtefact

CHECKPOINT_SUFFIX = ".safetensors"


def find_checkpoint(given: str) -> Optional[Path]:
    """The checkpoint that a path or a model's name stands for; None for the path of anything else.

    Raises:
        UserError: nothing has this name: no file, and no model whose weights ship.
    """
    path = Path(given)
    if path.suffix == CHECKPOINT_SUFFIX:
        return path
    if path.suffix or len(path.parts) != 1 or file_exists(path):
        return None
    try:
        from mobilevis.models.weights.bundled import bundled_checkpoint, bundled_names
    except ModuleNotFoundError as error:
        fix = f'check the path (a model by its name needs {error.name}: pip install "mobilevis[export]")'
        raise UserError("there is no such artefact", given, fix) from error
    if given not in bundled_names():
        what = "no artefact is there, and no weights of this name ship"
        raise UserError(what, given, f"check the path; of the names {suggest(given, bundled_names())}")
    return bundled_checkpoint(given)


def open_checkpoint(
    path: Path,
    input_size: Optional[str] = None,
    max_instances: Optional[int] = None,
    threads: Optional[int] = None,
) -> EagerArtefact:
    """Load a checkpoint as an artefact that PyTorch runs.

    Args:
        path: a file that ``mobilevis train`` wrote.
        input_size: as typed; None takes the checkpoint's own.
        max_instances: instances that get a mask in a frame; None takes the model's own.
        threads: of PyTorch's pool, which is the whole process's; None leaves it as it is.

    Raises:
        UserError: the file is no checkpoint of ours, or a value does not fit its model.
    """
    import torch

    from mobilevis.cli.options import choose_size
    from mobilevis.export.describe import describe
    from mobilevis.export.eager import EagerArtefact
    from mobilevis.models.weights.checkpoint import load_checkpoint

    if threads is not None:
        torch.set_num_threads(threads)
    loaded = load_checkpoint(path)
    options: dict[str, Any] = {} if max_instances is None else {"max_instances": max_instances}
    try:
        streaming, metadata = describe(
            loaded.model,
            choose_size(input_size, loaded.input_size),
            name=loaded.name,
            classes=loaded.classes,
            checkpoint_sha256=loaded.sha256,
            **options,
        )
    except ValueError as error:
        raise UserError(str(error), path, "give another value") from error
    return EagerArtefact(loaded.model, streaming, metadata)
