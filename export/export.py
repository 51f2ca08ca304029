"""The export pipeline: trace once, convert to each format, gate, embed the parity record, rename."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional, Union

from mobilevis.export.calibration import record_inputs, round_model
from mobilevis.export.converters import (
    Converted,
    check_formats,
    convert,
    delegation_of,
    formats_of,
    layers_of,
)
from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact, torch_threads
from mobilevis.export.own_rounding import allow_own_rounding
from mobilevis.export.parity import ParityReport, Reference, compare, make_reference
from mobilevis.export.precision import FP32, Conversion, check_family, check_precision
from mobilevis.export.report import ExportReport, FormatReport
from mobilevis.export.seeded import create_seeded
from mobilevis.export.timing import time_ratios
from mobilevis.export.tolerances import AnyTolerance, find_tolerance
from mobilevis.export.trace import TracedEntry, trace_entries
from mobilevis.models.entries import Streaming, StreamingModel
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.categories import Category
from mobilevis.runtime.digests import UNKNOWN, digest_around, digest_files
from mobilevis.runtime.engines.base import Artefact, quiet_native
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, sha256_of
from mobilevis.runtime.formats import FORMATS
from mobilevis.runtime.metadata import Metadata
from mobilevis.runtime.parity_vectors import check_parity_vectors, make_parity_vectors
from mobilevis.runtime.sources import Source, open_source

EAGER = "eager"
REFERENCE = "onnx"  # the format whose time the others' are told in

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Job:
    """What the export of every format shares."""

    eager: EagerArtefact
    original: StreamingModel
    traced: Mapping[str, TracedEntry]
    reference: Reference
    tolerance: AnyTolerance
    vectors: Optional[Mapping[str, Any]]
    conversion: Conversion
    step: Callable[[str], None]


def export_model(
    model: Union[StreamingModel, str],
    output: Union[str, Path],
    formats: Optional[Sequence[str]] = None,
    input_size: tuple[int, int] = (320, 640),
    *,
    name: Optional[str] = None,
    classes: Optional[Sequence[Category]] = None,
    checkpoint_sha256: Optional[str] = None,
    frames: Optional[Iterable[Image]] = None,
    precision: str = FP32.precision,
    calibration: Optional[Source] = None,
    simplify: bool = False,
    debug_quantisation: bool = False,
    progress: Optional[Progress] = None,
    **options: Any,
) -> ExportReport:
    """Export a model to artefacts that passed the parity gate, with a JSON report beside them.

    Either all artefacts appear in ``output``, or none.

    Args:
        model: a model, or a registry name for one with random weights.
        output: folder for the artefacts; equal names are replaced.
        formats: names in ``CONVERTERS``; None takes all that have the precision.
        input_size: (height, width) in pixels.
        name: name for files and metadata; None takes the registry name or the class's name.
        classes: the categories by class index; None numbers them from 1.
        checkpoint_sha256: SHA-256 of the file that the weights came from; None marks them as random.
        frames: at least ten (H, W, 3) uint8 RGB frames for the gate; None takes the bundled clip.
        precision: a name in ``PRECISIONS``.
        calibration: pictures or a video like those that the model will see, for a precision that rounds
            weights for them; it is closed.
        simplify: run onnxsim on the ONNX graphs before the gate.
        debug_quantisation: write how far each layer is from fp32, as JSON and a plot.
        progress: called with what begins, the steps done and the steps in all.
        options: the model's own export options, such as ``max_instances``.

    Raises:
        UserError: an unknown format or precision, a format or a model that lacks the precision, no frames to
            calibrate with where they are needed, a size that does not fit the model, a missing package, a
            failed gate or an output that cannot be written.
    """
    start = time.perf_counter()
    check_precision(precision, calibration is not None, debug_quantisation)
    formats = check_formats(formats_of(precision) if formats is None else formats, precision)
    try:
        if isinstance(model, str):
            name = name or model
            model = create_seeded(model)
        model = copy.deepcopy(model).eval()
        streaming, metadata = describe(
            model,
            input_size,
            name=name,
            classes=classes,
            checkpoint_sha256=checkpoint_sha256,
            precision=precision,
            **options,
        )
    except ValueError as error:
        raise UserError(str(error), fix="give another value") from error
    check_family(precision, metadata.driver)
    conversion = Conversion(precision, metadata.driver, simplify)
    steps = _Steps(progress, total=2 + (calibration is not None) + 2 * len(formats) + debug_quantisation)
    stem = f"{metadata.model}_{input_size[0]}x{input_size[1]}_{metadata.precision}"
    # One thread, as the engines have: PyTorch's spin for each other, on a busy machine for ten times as long.
    with torch_threads(1), ExitStack() as stack:
        job = _prepare(model, streaming, metadata, frames, conversion, calibration, steps)
        artefacts, eager_ratio = _export_all(job, formats, Path(output), stem, stack)
        report = _report(job, artefacts, eager_ratio, time.perf_counter() - start)
        stack.enter_context(atomic_path(Path(output) / f"{stem}_report.json")).write_text(report.to_json())
        if debug_quantisation:
            steps("Compare the layers with fp32's")
            _compare_layers(job, Path(output) / f"{stem}_layers", stack)
    return report


def _compare_layers(job: _Job, path: Path, stack: ExitStack) -> None:
    from mobilevis.export.layer_errors import measure_layers, write_layer_errors

    with quiet_tools():
        errors = measure_layers(job.original, job.traced, job.conversion, job.reference.calls)
    table, plot = (stack.enter_context(atomic_path(path.with_suffix(end))) for end in (".json", ".png"))
    write_layer_errors(errors, table, plot)


def _report(
    job: _Job, artefacts: tuple[FormatReport, ...], eager_ratio: Optional[float], seconds: float
) -> ExportReport:
    metadata = job.eager.metadata
    return ExportReport(
        model=metadata.model,
        input_size=metadata.input_size,
        family=metadata.driver,
        precision=metadata.precision,
        checkpoint_sha256=metadata.checkpoint_sha256,
        artefacts=artefacts,
        eager_time_ratio=eager_ratio,
        seconds=seconds,
        tools=metadata.tools,
    )


class _Steps:
    """Counts the steps of an export for the caller's progress bar."""

    def __init__(self, progress: Optional[Progress], total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, self._done, self._total)
        self._done += 1


def _prepare(
    model: StreamingModel,
    streaming: Streaming,
    metadata: Metadata,
    frames: Optional[Iterable[Image]],
    conversion: Conversion,
    calibration: Optional[Source],
    step: Callable[[str], None],
) -> _Job:
    eager = EagerArtefact(model, streaming, metadata)
    step("Run eager PyTorch on the parity frames")
    reference = make_reference(eager, _bundled_frames() if frames is None else frames, streaming.gate_options)
    tolerance = find_tolerance(metadata.precision, model.rounding)
    vectors = None if conversion.is_reduced else make_parity_vectors(eager, tolerance.max_abs)
    original = model
    if calibration is not None:
        step("Round the weights for the calibration frames")
        inputs = record_inputs(eager, calibration, streaming.gate_options)
        conversion = replace(conversion, calibration=inputs)
        model = round_model(model, streaming, conversion)
    step("Trace the entries")
    with quiet_tools():
        traced = trace_entries(model, streaming.entries)
    return _Job(eager, original, traced, reference, tolerance, vectors, conversion, step)


def _bundled_frames() -> Iterator[Image]:
    with open_source(bundled_clip()) as source:
        yield from source


def _export_all(
    job: _Job, formats: Sequence[str], output: Path, stem: str, stack: ExitStack
) -> tuple[tuple[FormatReport, ...], Optional[float]]:
    """The formats' reports, and eager PyTorch's time over the ONNX artefact's."""
    reports: dict[str, FormatReport] = {}
    loaded: dict[str, Artefact] = {}
    for form in formats:
        target = output / FORMATS[form].artefact_name(stem)
        path = stack.enter_context(atomic_path(target, directory=FORMATS[form].is_folder))
        reports[form], loaded[form] = _export_format(job, form, path)
    ratios: dict[str, float] = {}
    if REFERENCE in loaded:
        ratios = time_ratios({**loaded, EAGER: job.eager}, baseline=REFERENCE)
    timed = (replace(report, time_ratio=ratios.get(form)) for form, report in reports.items())
    return tuple(timed), ratios.get(EAGER)


def _export_format(job: _Job, form: str, path: Path) -> tuple[FormatReport, Artefact]:
    job.step(f"Convert to {form}")
    start = time.perf_counter()
    with quiet_tools():
        converted = convert(form, job.traced, job.conversion)
        converted.write(path, job.eager.metadata.to_json())
    converted_at = time.perf_counter()
    job.step(f"Compare {form} with eager PyTorch")
    parity, vectors = _gate(job, form, path)
    record = {**asdict(parity), "vectors": vectors}
    with quiet_tools():
        _write_sealed(converted, path, replace(job.eager.metadata, parity=record))
    # The gate saw the artefact without its record; the vectors show that the final one computes the same.
    artefact = load_artefact(path)
    check_parity_vectors(artefact)
    report = FormatReport(
        format=form,
        path=path.name,
        bytes=sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
        sha256=sha256_of(path),
        convert_seconds=converted_at - start,
        gate_seconds=time.perf_counter() - converted_at,
        parity=parity,
        delegation=delegation_of(converted),
        layers=layers_of(converted),
    )
    return report, artefact


def _gate(job: _Job, form: str, path: Path) -> tuple[ParityReport, Mapping[str, Any]]:
    """What the gate measured of an artefact, and the vectors to check it with elsewhere.

    They are eager PyTorch's; at a reduced precision, which differs by design, the artefact's own.

    Raises:
        UserError: it fails.
    """
    artefact = load_artefact(path)
    parity = allow_own_rounding(compare(job.reference, artefact), job.tolerance, job.eager, job.reference)
    if failures := parity.failures(job.tolerance):
        raise UserError(
            f"the {form} artefact fails the parity gate: {'; '.join(failures)}",
            fix="nothing was written; report the model and the versions of the tools",
        )
    return parity, job.vectors or make_parity_vectors(artefact, job.tolerance.max_abs)


def _write_sealed(converted: Converted, path: Path, metadata: Metadata) -> None:
    """Write the artefact with the SHA-256 of its files in its metadata (``mobilevis.runtime.digests``)."""
    files = digest_files(path, metadata.entries)
    draft = replace(metadata, digests=dict.fromkeys(files, UNKNOWN)).to_json()
    converted.write(path, draft)
    digests = {name: digest_around(file, draft) for name, file in files.items()}
    final = replace(metadata, digests=digests).to_json()
    for file in files.values():
        file.write_bytes(file.read_bytes().replace(draft.encode(), final.encode(), 1))


@contextmanager
def quiet_tools() -> Iterator[None]:
    """Keep the exporters' log lines and deprecation warnings, some hundred of them, from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), quiet_native():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
