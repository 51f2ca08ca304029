"""ExecuTorch: one program with a method for each entry, and a method that returns the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact, check_signature, name_shapes, quiet_native
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import missing_engine
from mobilevis.runtime.metadata import parse_metadata

METADATA_METHOD = "metadata"
FILE_IDENTIFIER = b"ET12"  # of the .pte schema, at bytes 4 to 8
SCALAR_TYPE_FLOAT = 6  # executorch/schema/scalar_type.fbs
AGAIN = "export the model again, or copy it again"


class ExecuTorchArtefact(Artefact):
    """The methods of a .pte file."""

    engine = "executorch"

    def __init__(self, path: Path, program: Any) -> None:
        self.path = path
        self._program = program
        names = {program.get_method_name(i) for i in range(program.num_methods())}
        if METADATA_METHOD not in names:
            raise UserError(
                "the model carries no mobilevis metadata", path, "export it with `mobilevis export`"
            )
        (text,) = program.load_method(METADATA_METHOD).call([])
        self.metadata_text = str(text)
        self.metadata = parse_metadata(self.metadata_text, str(path))
        missing = set(self.metadata.entries) - names
        if missing:
            raise UserError(f"the file has no method {', '.join(sorted(missing))}", path, AGAIN)
        self._methods = {name: program.load_method(name) for name in self.metadata.entries}
        for name, method in self._methods.items():
            self._check_method(name, method.method_meta())

    def _check_method(self, name: str, meta: Any) -> None:
        inputs = [meta.input_tensor_meta(i) for i in range(meta.num_inputs())]
        outputs = [meta.output_tensor_meta(i) for i in range(meta.num_outputs())]
        spec = self.metadata.entries[name]
        if any(tensor.dtype() != SCALAR_TYPE_FLOAT for tensor in inputs + outputs):
            raise UserError(f"entry {name} has a tensor that is not float32", self.path, AGAIN)
        check_signature(
            self.path,
            name,
            spec,
            name_shapes(spec.inputs, [tensor.sizes() for tensor in inputs]),
            name_shapes(spec.outputs, [tensor.sizes() for tensor in outputs]),
        )

    @property
    def threads(self) -> int:
        """Threads of the process-wide pool that every .pte computes with."""
        return int(portable_lib()._threadpool_get_thread_count())

    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        spec = self.metadata.entries[entry]
        tensors = [torch.from_numpy(inputs[tensor.name]) for tensor in spec.inputs]
        outputs = self._methods[entry].call(tensors, clone_outputs=True)
        return {tensor.name: output.numpy() for tensor, output in zip(spec.outputs, outputs)}


# XNNPACK's compiled delegates keep the address of the pool that they were loaded with: a reset under a living
# artefact aborts the process. ExecuTorch cannot tell who lives, so this set does.
_living: WeakSet[ExecuTorchArtefact] = WeakSet()


def load(path: Path, threads: int) -> ExecuTorchArtefact:
    """Load a .pte file.

    Raises:
        UserError: ExecuTorch is not installed, the file is not a whole program of ours, or the process
            already computes with another number of threads.
    """
    program = open_program(path, threads)
    with quiet_native():
        try:
            artefact = ExecuTorchArtefact(path, program)
        except (RuntimeError, ValueError) as error:  # ValueError: metadata that are no UTF-8, or no text
            raise _unreadable(path) from error
    _living.add(artefact)
    return artefact


def open_program(path: Path, threads: int) -> Any:
    """Open any .pte file, ours or a plain model, with the process-wide pool of so many threads.

    Raises:
        UserError: ExecuTorch is not installed, cannot read the file, or already computes with another number
            of threads.
    """
    library = portable_lib()
    _check_identifier(path)
    with quiet_native():
        if library._threadpool_get_thread_count() != threads:
            if len(_living):
                raise UserError(
                    f"ExecuTorch's pool is in use with {library._threadpool_get_thread_count()} threads",
                    path,
                    "load every .pte of a process with the same number of threads",
                )
            library._unsafe_reset_threadpool(threads)
        try:
            return library._load_program(
                str(path), program_verification=library.Verification.InternalConsistency
            )
        except RuntimeError as error:
            raise _unreadable(path) from error


def _unreadable(path: Path) -> UserError:
    return UserError(
        "ExecuTorch cannot read the file; it is truncated, or made by another version", path, AGAIN
    )


def _check_identifier(path: Path) -> None:
    with path.open("rb") as stream:
        identifier = stream.read(8)[4:]
    if identifier == FILE_IDENTIFIER:
        return
    if identifier[:2] == FILE_IDENTIFIER[:2]:
        found = identifier.decode("ascii", "replace")
        raise UserError(
            f"the .pte schema is {found}, this runtime reads {FILE_IDENTIFIER.decode()}",
            path,
            "export the model again with the installed executorch",
        )
    raise UserError("the file is not an ExecuTorch program", path, AGAIN)


def portable_lib() -> Any:
    """The C++ extension itself: ``executorch.runtime`` wraps it but imports all exporters first (3 s)."""
    try:
        import torch  # noqa: F401  the extension links against the libraries that this import loads
        from executorch.extension.pybindings import _portable_lib
    except ImportError as error:
        raise missing_engine("executorch") from error
    return _portable_lib
