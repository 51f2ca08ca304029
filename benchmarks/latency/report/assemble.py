"""From the worker's journal to results: what each event says of which artefact."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from mobilevis.benchmarks.latency.report.kinds import check_kinds
from mobilevis.benchmarks.latency.report.schema import ArtefactResult, Reading, Series, State, check_state
from mobilevis.benchmarks.latency.worker.job import TOTAL
from mobilevis.runtime.errors import UserError

Event = Mapping[str, Any]
_LOADED = ("load_ms", "first_ms", "parity")
_MEASURED = ("complete", "others_on_pinned_cores", "others_anywhere", "users")
_PROMISED = {
    "error": ("what", "file", "fix"),
    "loaded": ("target",),
    "samples": ("target", "kind", "at_s", "is_keyframe", "instances", "milliseconds"),
    "warm_up": ("target", "kind"),
    "not_measured": ("target", "kind", "reason"),
    "held": ("target", "frames", "resident_mib", "descriptors", "threads"),
}
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("kind", "what", "fix", "reason"), str),
    **dict.fromkeys(("targets", "cpus_allowed", "is_keyframe", "instances"), list),
    "file": (str, type(None)),
    "target": int,
    "pid": int,
    "versions": dict,
    "milliseconds": (dict, list),
    "at_s": (int, float, list),
}
# Lists of numbers, by whether the event holds samples: elsewhere at_s is one number.
_NUMBERS = {True: ("at_s",), False: ("targets", "cpus_allowed")}
_COLUMNS = ("at_s", "is_keyframe", "instances")


def parse_event(line: str) -> Event:
    """One line of a journal, which whatever runs on the device may have written.

    Raises:
        UserError: the line is no event, or a fact that its name promises is missing or of another type.
    """
    try:
        event = json.loads(line, parse_constant=_refuse_constant)
        if not isinstance(event, dict) or not isinstance(event["event"], str):
            raise TypeError("an event has no name")
        for fact in _PROMISED.get(event["event"], ()):
            if fact not in event:
                raise TypeError(f"{event['event']} without {fact}")
        for fact, kinds in _KINDS.items():
            if fact in event and (not isinstance(event[fact], kinds) or isinstance(event[fact], bool)):
                raise TypeError(f"{fact} is {str(event[fact])[:40]!r}")
        for fact in _NUMBERS[event["event"] == "samples"]:
            if not all(type(item) in (int, float) for item in event.get(fact, ())):
                raise TypeError(f"{fact} holds something else than numbers")
    except RecursionError as error:
        raise UserError("the worker's journal is broken: nested too deeply", fix="run again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"the worker's journal is broken: {error}", fix="run again") from error
    return event


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def first_event(events: Iterable[Event], name: str) -> Event:
    """The first event of a name; empty where there is none."""
    return next((event for event in events if event["event"] == name), {})


def assemble(events: Iterable[Event], identities: Iterable[tuple[str, str, bool]]) -> list[ArtefactResult]:
    """Gather the events of a timing pass, complete or cut off, by artefact.

    Args:
        events: the journal, in order.
        identities: (name, sha256, is_baseline) of each target, in the job's order.

    Raises:
        UserError: an event lacks what its name promises.
    """
    events = list(events)
    try:
        return [
            _artefact([event for event in events if _concerns(event, index)], name, sha256, is_baseline)
            for index, (name, sha256, is_baseline) in enumerate(identities)
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"the worker's journal is broken: {error!r}", fix="run again") from error


def _concerns(event: Event, index: int) -> bool:
    return event.get("target") == index or index in event.get("targets", ())


def _artefact(events: list[Event], name: str, sha256: str, is_baseline: bool) -> ArtefactResult:
    loaded = first_event(events, "loaded")
    kinds = dict.fromkeys(event["kind"] for event in events if event["event"] in ("warm_up", "samples"))
    unknown = set(kinds) - set(TOTAL)
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is no workload")
    return ArtefactResult(
        name=name,
        sha256=sha256,
        is_baseline=is_baseline,
        facts={k: v for k, v in loaded.items() if k not in (*_LOADED, "event", "target")},
        **check_kinds(ArtefactResult, {key: loaded[key] for key in _LOADED if key in loaded}),
        workloads={kind: _series(events, kind) for kind in kinds},
        not_measured={e["kind"]: e["reason"] for e in events if e["event"] == "not_measured"},
        before=_state(first_event(events, "before")),
        after=_state(first_event(events, "after")),
        readings=[
            check_kinds(Reading, {key: event[key] for key in Reading.__annotations__})
            for event in events
            if event["event"] == "reading"
        ],
    )


def _state(event: Event) -> Any:
    return check_state({key: event[key] for key in State.__annotations__}) if event else None


def _series(events: list[Event], kind: str) -> Series:
    own = [event for event in events if event.get("kind") == kind]
    warm_up = first_event(own, "warm_up")
    measured = first_event(own, "measured")
    columns: dict[str, Any] = {name: [] for name in _COLUMNS}
    stages: dict[str, list[Any]] = defaultdict(list)
    for event in own:
        if event["event"] != "samples":
            continue
        so_far, new = len(columns["at_s"]), len(event["at_s"])
        for name in _COLUMNS:
            columns[name] += event[name]
        for stage in {**stages, **event["milliseconds"]}:
            column = stages[stage]
            column += [None] * (so_far - len(column))
            column += event["milliseconds"].get(stage, [None] * new)
    facts = {
        **columns,
        "milliseconds": dict(stages),
        "warm_up": warm_up.get("milliseconds", []),
        "settled": warm_up.get("settled"),
        **{key: measured[key] for key in _MEASURED if key in measured},
    }
    return Series(**check_kinds(Series, facts))
