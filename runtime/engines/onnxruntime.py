"""ONNX Runtime: one session for each entry's file in the artefact's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact, check_signature
from mobilevis.runtime.engines.telemetry import switch_off_telemetry
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import is_file
from mobilevis.runtime.formats import missing_engine
from mobilevis.runtime.metadata import METADATA_KEY, parse_metadata

LOG_FATAL = 4


class OnnxRuntimeArtefact(Artefact):
    """The ``<entry>.onnx`` files of one export, on ONNX Runtime's CPU provider."""

    engine = "onnxruntime"

    def __init__(self, path: Path, sessions: dict[str, Any]) -> None:
        self.path = path
        self.sessions = sessions
        texts = {name: _metadata_text(path, name, session) for name, session in sessions.items()}
        if len(set(texts.values())) != 1:
            raise UserError("the files come from different exports", path, "export the model again")
        self.metadata_text = next(iter(texts.values()))
        self.metadata = parse_metadata(self.metadata_text, str(path))
        if set(self.metadata.entries) != set(sessions):
            expected = ", ".join(f"{name}.onnx" for name in self.metadata.entries)
            raise UserError(f"the folder must hold exactly {expected}", path, "export the model again")
        for name, spec in self.metadata.entries.items():
            session = sessions[name]
            inputs = {tensor.name: tensor.shape for tensor in session.get_inputs()}
            outputs = {tensor.name: tensor.shape for tensor in session.get_outputs()}
            check_signature(path, name, spec, inputs, outputs)

    @property
    def threads(self) -> int:
        """Threads that compute an entry, as the sessions have them."""
        session = next(iter(self.sessions.values()))
        return int(session.get_session_options().intra_op_num_threads)

    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        names = [tensor.name for tensor in self.metadata.entries[entry].outputs]
        return dict(zip(names, self.sessions[entry].run(names, dict(inputs))))


def load(path: Path, threads: int) -> OnnxRuntimeArtefact:
    """Load a folder of .onnx files, or the folder of one such file.

    Raises:
        UserError: ONNX Runtime is not installed, or a file is not a whole model of ours.
    """
    folder = path if path.is_dir() else path.parent
    sessions = {file.stem: open_session(file, threads) for file in sorted(folder.glob("*.onnx"))}
    return OnnxRuntimeArtefact(folder, sessions)


def open_session(file: Path, threads: int, profile_prefix: Optional[Path] = None) -> Any:
    """Open any one .onnx file on the CPU provider.

    Args:
        file: ours or a plain model.
        threads: of an inference.
        profile_prefix: profile every operator into a JSON file that begins so; this slows the session down.

    Raises:
        UserError: ONNX Runtime is not installed, or cannot read the file.
    """
    onnxruntime = import_engine()
    if not is_file(file):  # reading a pipe or a device would never end
        raise UserError("this is no regular file", file, "give the folder of an ONNX export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    if threads == 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile_prefix is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_prefix)
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exception classes share no public base
        raise UserError(
            "ONNX Runtime cannot read the file; it is truncated, or of a newer ONNX version",
            file,
            "export the model again, or copy it again",
        ) from error


def import_engine() -> Any:
    """The package, with its telemetry off.

    Raises:
        UserError: ONNX Runtime is not installed.
    """
    switch_off_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_engine("onnxruntime") from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _metadata_text(folder: Path, name: str, session: Any) -> str:
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    except UnicodeDecodeError as error:
        raise UserError(
            "broken mobilevis metadata: they are no UTF-8", folder / f"{name}.onnx", "export the model again"
        ) from error
    if text is None:
        raise UserError(
            "the model carries no mobilevis metadata",
            folder / f"{name}.onnx",
            "export it with `mobilevis export`",
        )
    return str(text)
