"""Stream frames through each artefact on a device, in a process of its own, and gather what it held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Optional

from mobilevis.benchmarks.latency.bench import Plan, open_runner
from mobilevis.benchmarks.latency.report.assemble import Event, first_event
from mobilevis.benchmarks.latency.session import OnEvent
from mobilevis.benchmarks.latency.transports.base import Transport
from mobilevis.benchmarks.latency.worker.protocol import Protocol
from mobilevis.benchmarks.soak.record import Holdings, SoakRecord, SoakResult
from mobilevis.runtime.errors import UserError

COLUMNS = ("frames", "resident_mib", "descriptors", "threads")
NO_LIMIT = 1e9  # seconds: a count has no time


def run_soak(
    transport: Transport, plan: Plan, frames: int, on_event: OnEvent = lambda event: None
) -> tuple[SoakRecord, Optional[UserError]]:
    """Stream so many frames of the plan's clip through each of its artefacts.

    Returns:
        The record, and why it ended early, if it did: it then holds what was read until then.

    Raises:
        UserError: nothing could be started, or the worker's journal is broken.
    """
    plan = replace(plan, protocol=Protocol("soak", frames, 0.0, NO_LIMIT))
    results: list[SoakResult] = []
    start: Event = {}
    error: Optional[UserError] = None
    with open_runner(transport, plan, on_event) as runner:
        for index, (name, sha256, _) in enumerate(runner.identities):
            outcome = runner.run("soak", [index])
            start = start or first_event(outcome.events, "start")
            results.append(_gather(outcome.events, name, sha256, frames))
            error = outcome.error
            if error is not None:
                break
    record = SoakRecord(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        harness=runner.harness,
        command=plan.command,
        device={"address": transport.address, "versions": start.get("versions", {})},
        source=plan.source.name if plan.source else "",
        driver_options=plan.driver_options,
        artefacts=results,
    )
    return record, error


def _gather(events: Iterable[Event], name: str, sha256: str, asked: int) -> SoakResult:
    events = list(events)
    readings = [event for event in events if event["event"] == "held"]
    loaded = first_event(events, "loaded")
    try:
        return SoakResult(
            name,
            sha256,
            asked,
            facts={key: value for key, value in loaded.items() if key not in ("event", "target")},
            holdings=Holdings(**{column: [event[column] for event in readings] for column in COLUMNS}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the worker's journal is broken: {error!r}", fix="run again") from error
