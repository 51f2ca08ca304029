"""The worker's program, started as ``worker.pyz JOB``: read the job, pin, measure, write the journal."""

from __future__ import annotations

import os
import shutil
import signal
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from mobilevis.benchmarks.latency.worker.affinity import pin
from mobilevis.benchmarks.latency.worker.job import JOURNAL, PASSES, Job, parse_job
from mobilevis.benchmarks.latency.worker.journal import HostLostError, Journal, take_stdout
from mobilevis.benchmarks.latency.worker.packages import broken_import, installed_versions
from mobilevis.runtime.errors import UserError

# Each in a module of its own that is imported after pinning: NumPy's BLAS starts threads when imported.
PASS_MODULES = {purpose: f"mobilevis.benchmarks.latency.worker.{purpose}_pass" for purpose in PASSES}


def main(arguments: list[str]) -> int:
    """Run one job.

    Args:
        arguments: the job's JSON file; the journal is written beside it.

    Returns:
        0 when all was measured; 2 for a fault that the journal's ``error`` event explains in one line; 1 for
        any other.
    """
    pipe = take_stdout()
    signal.signal(signal.SIGTERM, _stop)
    job_file = Path(arguments[0]).resolve()
    os.chdir(job_file.parent)  # the job's paths are its folder's
    journal = Journal(Path(JOURNAL), pipe)
    try:
        try:
            run_job(parse_job(job_file.read_text(encoding="utf-8")), journal)
        except UserError as error:
            file = None if error.file is None else str(error.file)
            journal.write("error", what=error.what, file=file, fix=error.fix)
            return 2
        except (ValueError, KeyError, TypeError, RuntimeError, OSError, MemoryError) as error:
            traceback.print_exc()
            journal.write("error", what=f"{type(error).__name__}: {error}", file=None, fix="see --debug")
            return 1
        journal.write("end")
        return 0
    except HostLostError:
        # Nobody is left to remove what was pushed.
        shutil.rmtree(job_file.parent, ignore_errors=True)
        return 1


def run_job(job: Job, journal: Journal) -> None:
    """Pin this process, say where it runs, and do the job's pass."""
    allowed = pin(job.cpus)
    journal.write("start", pid=os.getpid(), cpus_allowed=allowed, versions=installed_versions())
    try:
        import_module("numpy")
    except ImportError as error:
        raise broken_import("numpy", error) from error
    import_module(PASS_MODULES[job.purpose]).run(job, journal)


def _stop(*_: Any) -> NoReturn:
    raise SystemExit(1)
