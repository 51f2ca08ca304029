"""One pass on one device: push, run, pull, and leave nothing behind, whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable, Optional

from mobilevis.benchmarks.latency.report.assemble import Event, first_event, parse_event
from mobilevis.benchmarks.latency.transports.base import (
    Finished,
    Transport,
    TransportError,
    describe_status,
    free_bytes,
    make_folder,
    remove_folder,
    tree_size,
)
from mobilevis.benchmarks.latency.worker.job import JOURNAL, Job
from mobilevis.runtime.errors import UserError

JOB = "job.json"
MAX_JOURNAL = 1 << 28  # bytes; a thousand times a standard run's
SPARE_BYTES = 1 << 20  # the journal of a standard run takes some hundred kilobytes
OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Worker:
    """A program that reads a job and writes a journal, in their documented forms.

    Attributes:
        file: what is pushed.
        launch: (transport, the job's folder there, job) → the command that runs it.
        uploads: name in the job's folder → what is pushed beside it.
        write_job: job → the text of its file.
        interpret: an event as this worker writes it → as the journal's form has it.
        adapt_source: clip here → its name in the job's folder, and the file that is pushed.
    """

    file: Path
    launch: Callable[[Transport, str, Job], Sequence[str]]
    uploads: Mapping[str, Path] = field(default_factory=dict)
    write_job: Callable[[Job], str] = Job.to_json
    interpret: Callable[[Event], Event] = lambda event: event
    adapt_source: Callable[[Path], tuple[str, Path]] = lambda clip: (f"source{clip.suffix}", clip)


def python_worker(file: Path) -> Worker:
    """The zipapp of ``build_worker`` on the device's Python."""
    return Worker(
        file,
        lambda transport, folder, job: [transport.python, f"{folder}/{file.name}", f"{folder}/{JOB}"],
    )


class InterruptedRunError(UserError):
    """Ctrl-C."""

    exit_code = 130


@dataclass
class Outcome:
    """What a pass gave.

    Attributes:
        events: the journal, complete or as far as it got.
        error: why it did not end well; None when it did.
    """

    events: list[Event] = field(default_factory=list)
    error: Optional[UserError] = None


def run_job(
    transport: Transport,
    job: Job,
    worker: Worker,
    uploads: Mapping[str, Path],
    on_event: OnEvent = lambda event: None,
) -> Outcome:
    """Run one job on a device.

    Args:
        transport: the device.
        job: its paths are keys of ``uploads``.
        worker: what runs it there.
        uploads: name in the job's folder → local file or folder.
        on_event: gets each event of the journal as it comes.

    Returns:
        The events and the error, if any; faults of the device do not raise, so that samples survive them.
    """
    outcome = Outcome()
    folder = None

    received = 0

    def on_line(line: str) -> None:
        nonlocal received
        received += len(line)
        event = _read_event(line, received, len(job.targets), worker)
        outcome.events.append(event)
        on_event(event)

    try:
        with TemporaryDirectory() as local:
            job_file = Path(local, JOB)
            job_file.write_text(worker.write_job(job), encoding="utf-8")
            folder = make_folder(transport)
            own = {worker.file.name: worker.file, JOB: job_file, **worker.uploads}
            _push_all(transport, folder, {**own, **uploads})
            command = worker.launch(transport, folder, job)
            _check_end(transport, transport.run(command, on_line), outcome, uploads)
            journal = Path(local, JOURNAL)
            transport.pull(f"{folder}/{JOURNAL}", journal)
            size = journal.stat().st_size
            with journal.open(encoding="utf-8", errors="replace") as lines:
                outcome.events = [_read_event(line, size, len(job.targets), worker) for line in lines]
    except UserError as error:
        outcome.error = error
    except KeyboardInterrupt:
        outcome.error = InterruptedRunError("interrupted", transport.address, "run again")
    finally:
        if folder is not None:
            _clean_up(transport, folder, outcome)
    return outcome


def _read_event(line: str, size: int, targets: int, worker: Worker) -> Event:
    if size > MAX_JOURNAL:
        raise UserError("the worker's journal is too large", fix="run again, or check the device")
    event = parse_event(line)
    try:
        event = worker.interpret(event)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"the worker's journal is broken: {error!r}", fix="run again") from error
    if not 0 <= event.get("target", 0) < targets:
        raise UserError("the worker's journal is broken: it names a target that is none", fix="run again")
    return event


def _push_all(transport: Transport, folder: str, uploads: Mapping[str, Path]) -> None:
    needed = sum(tree_size(path) for path in uploads.values()) + SPARE_BYTES
    free = free_bytes(transport, folder)
    if free is not None and free < needed:
        raise UserError(
            f"no space on the device: {needed >> 10} KiB needed, {free >> 10} KiB free",
            f"{transport.address} {transport.scratch}",
            "free some space there, or give another --scratch folder",
        )
    for name, path in uploads.items():
        transport.push(path, f"{folder}/{name}")


def _check_end(
    transport: Transport, finished: Finished, outcome: Outcome, uploads: Mapping[str, Path]
) -> None:
    """Refuse a run whose journal does not end: a lost adb connection, too, has exit status 0."""
    if first_event(outcome.events, "end"):
        return
    error = first_event(outcome.events, "error")
    if error:
        file = _local_name(error["file"], uploads) if error["file"] else transport.address
        raise UserError(error["what"], file, error["fix"])
    if finished.status in (126, 127):
        raise no_python(transport)
    if finished.status == 0:
        raise TransportError("device lost: the worker's journal breaks off", transport.address, "run again")
    if not outcome.events:
        raise UserError(f"the worker did not start: {finished.complaint}", transport.address)
    raise UserError(
        f"the worker was cut off: {describe_status(finished.status)}",
        transport.address,
        "look for the out-of-memory killer in the device's log, or run again",
    )


def _local_name(file: str, uploads: Mapping[str, Path]) -> str:
    """What the user calls a file that the device complains of."""
    name, slash, rest = file.partition("/")
    return f"{uploads[name]}{slash}{rest}" if name in uploads else file


def no_python(transport: Transport) -> UserError:
    """What a device without Python can and cannot do."""
    return UserError(f"the device has no {transport.python}", transport.address, transport.python_advice)


def _clean_up(transport: Transport, folder: str, outcome: Outcome) -> None:
    """Stop the worker if it may still run, and remove the folder; a worker without a host does so itself."""
    try:
        pid = first_event(outcome.events, "start").get("pid")
        if outcome.error is not None and isinstance(pid, int) and pid > 1:
            transport.run(["kill", str(pid)])
        remove_folder(transport, folder)
    except UserError as error:
        if outcome.error is None:
            outcome.error = error
