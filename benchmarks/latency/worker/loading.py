"""Load what is to be timed, an artefact or a plain model, and verify it before any timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Optional

from mobilevis.benchmarks.latency.worker.engines import find_function
from mobilevis.benchmarks.latency.worker.job import Target
from mobilevis.benchmarks.latency.worker.packages import broken_import
from mobilevis.benchmarks.latency.worker.plain import PlainModel
from mobilevis.runtime.artefact import artefact_format, load_artefact
from mobilevis.runtime.digests import check_digests
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES, FORMATS, default_engine, join_words
from mobilevis.runtime.parity_vectors import check_parity_vectors, pseudo_random_inputs


@dataclass(frozen=True)
class Loaded:
    """One target, ready to run.

    Attributes:
        runner: has ``run(entry, inputs)``, ``engine`` and ``threads``.
        inputs: entry → inputs to time it with.
        load_ms: from the path to a runner.
        artefact: None for a plain model.
    """

    runner: Any
    inputs: Mapping[str, Mapping[str, Any]]
    load_ms: float
    artefact: Optional[Artefact]


def load(target: Target, threads: int, verify: bool = True) -> Loaded:
    """Load a target on its engine.

    Args:
        target: an artefact or a plain model.
        threads: of the engine.
        verify: compare an artefact's SHA-256 with the digests in its metadata.

    Raises:
        UserError: the engine is not installed or not for this machine, the file is not usable, or the engine
            computes with another number of threads.
    """
    start = perf_counter()
    try:
        if target.is_baseline:
            runner: Any = open_plain(Path(target.path), threads)
        else:
            # Hashing is no part of what is timed.
            runner = load_artefact(target.path, target.engine, threads, verify=False)
    except UserError as error:
        if isinstance(error.__cause__, ImportError):
            raise broken_import(_distribution(target), error.__cause__) from error
        raise
    except (ImportError, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of a file; a library that does not load has none
            raise
        raise broken_import(_distribution(target), error) from error
    load_ms = (perf_counter() - start) * 1e3
    if runner.threads not in (threads, None):
        raise UserError(f"{runner.engine} computes with {runner.threads} threads, not {threads}", target.name)
    if target.is_baseline:
        return Loaded(runner, runner.inputs, load_ms, None)
    if verify:
        check_digests(runner.path, runner.metadata, runner.metadata_text)
    inputs = {entry: pseudo_random_inputs(runner.metadata, entry) for entry in runner.metadata.entries}
    return Loaded(runner, inputs, load_ms, runner)


def open_plain(path: Path, threads: int) -> PlainModel:
    """Open a plain model on its format's engine.

    Raises:
        UserError: not a file of a known format, the engine times no plain models, is missing or cannot read
            the file, or an input has no fixed shape or an unknown type.
    """
    suffix = path.suffix.lower()
    form = next((name for name, form in FORMATS.items() if form.suffix == suffix), None)
    if form is None or not path.is_file():
        suffixes = join_words(form.suffix for form in FORMATS.values())
        raise UserError("not a plain model", path, f"give a file that ends in {suffixes}")
    engine = default_engine(form)
    opener = find_function(engine, "open_plain")
    if opener is None:
        raise UserError(f"{engine} times artefacts only", path, "leave out this --baseline")
    plain: PlainModel = opener(path, threads)
    return plain


def _distribution(target: Target) -> str:
    """What pip calls the engine of a target."""
    return ENGINES[target.engine or default_engine(artefact_format(target.path))].distributions[0]


def first_runs(loaded: Loaded) -> dict[str, float]:
    """Run each entry for the first time: entry → milliseconds."""
    milliseconds = {}
    for entry, inputs in loaded.inputs.items():
        start = perf_counter()
        loaded.runner.run(entry, inputs)
        milliseconds[entry] = (perf_counter() - start) * 1e3
    return milliseconds


def verify(loaded: Loaded) -> Optional[list[dict[str, Any]]]:
    """Check an artefact against its stored parity vectors; a plain model has none.

    Raises:
        UserError: an output differs by more than the tolerance, or the artefact carries no vectors.
    """
    if loaded.artefact is None:
        return None
    return [asdict(result) for result in check_parity_vectors(loaded.artefact)]


def describe(loaded: Loaded) -> dict[str, Any]:
    """What reports say of the target: engine, threads, and the metadata's facts."""
    facts = {"engine": loaded.runner.engine, "threads": loaded.runner.threads}
    if loaded.artefact is None:
        return {**facts, "model": None, "driver": None, "precision": None, "input_size": None}
    metadata = loaded.artefact.metadata
    return {
        **facts,
        "model": metadata.model,
        "driver": metadata.driver,
        "precision": metadata.precision,
        "input_size": list(metadata.input_size),
        "checkpoint_sha256": metadata.checkpoint_sha256,
        "keyframe_interval": metadata.options.get("keyframe_interval"),
    }
