"""The formats of artefacts and the engines that run them; choices, help and error lists are made from these.

What a format or an engine has in another room has its name there: ``export`` names a format's converter,
``benchmarks.latency.worker.engines`` holds an engine's profiler, and pip's extra is called as the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mobilevis.runtime.errors import UserError, missing_extra


@dataclass(frozen=True)
class Format:
    """How an artefact lies on disk.

    Attributes:
        suffix: of the artefact, or of the files in its folder, such as ``.pte``.
        is_folder: the artefact is a folder with a file for each entry.
    """

    suffix: str
    is_folder: bool = False

    @property
    def description(self) -> str:
        """In words, with an article."""
        return f"a folder of {self.suffix} files" if self.is_folder else f"a {self.suffix} file"

    def artefact_name(self, stem: str) -> str:
        """What an artefact is called: a folder's name carries no suffix, which is its files'."""
        return f"{stem}_{self.suffix[1:]}" if self.is_folder else f"{stem}{self.suffix}"


@dataclass(frozen=True)
class Engine:
    """Where an engine lives, what it reads and who brings it.

    Attributes:
        module: has ``load(path, threads) -> Artefact``.
        format: a name in ``FORMATS``; of several engines of a format the first listed is the default.
        distributions: packages that serve it, by pip's names, the one to install first.
    """

    module: str
    format: str
    distributions: tuple[str, ...]


FORMATS = {
    "onnx": Format(".onnx", is_folder=True),
    "pte": Format(".pte"),
    "tflite": Format(".tflite"),
}
ENGINES = {
    "onnxruntime": Engine("mobilevis.runtime.engines.onnxruntime", "onnx", ("onnxruntime",)),
    "executorch": Engine("mobilevis.runtime.engines.executorch", "pte", ("executorch",)),
    "litert": Engine("mobilevis.runtime.engines.litert", "tflite", ("ai-edge-litert", "tflite-runtime")),
}


def describe_formats() -> str:
    """Every format in words, for help and errors: ``a folder of .onnx files, a .pte file or …``."""
    return join_words([form.description for form in FORMATS.values()])


def join_words(words: Iterable[str]) -> str:
    """Words as a sentence lists them: ``a, b or c``."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def default_engine(form: str) -> str:
    """The engine that runs a format unless another is named."""
    return next(name for name, engine in ENGINES.items() if engine.format == form)


def missing_engine(name: str) -> UserError:
    """The error for an engine that is not installed."""
    return missing_extra(ENGINES[name].distributions[0], name)
