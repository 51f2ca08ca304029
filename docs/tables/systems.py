"""The systems' latencies, from the records of ``mobilevis bench latency --json``."""

from __future__ import annotations

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, load_report
from mobilevis.benchmarks.latency.worker.job import TOTAL

from .records import SYSTEMS, format_header, format_row, group_entries


def system_table() -> str:
    """Each system's entries and whole frames, from interleaved runs of the latency harness."""
    lines = [format_header("system", "CPU", "entries, median ms", "frame, mean ms", "valid")]
    for file in sorted(SYSTEMS.glob("*_onnxruntime.json")):
        report = load_report(file)
        lines += [_system_row(report.device["cpu"], artefact) for artefact in report.artefacts]
    return "".join(lines)


def _system_row(cpu: str, artefact: ArtefactResult) -> str:
    entries, frames = artefact.workloads["entries"], artefact.workloads["frames"]
    medians = {stage: found.p50 for stage in entries.milliseconds if (found := entries.summary(stage))}
    medians.pop(TOTAL["entries"], None)
    cells = [
        f"{kind} {sum(medians[stage] for stage in stages):.3g}"
        + (f" ({len(stages)} entries)" if len(stages) > 1 else "")
        for kind, stages in group_entries(medians).items()
    ]
    whole = frames.summary(TOTAL["frames"])
    mean = "not measured" if whole is None else f"{whole.mean:.1f}"
    valid = "yes" if artefact.valid else f"no: {'; '.join(artefact.reasons)}"
    return format_row(artefact.name, cpu, ", ".join(cells), mean, valid)
