"""One self-contained page: the tables and the plots, no script, nothing loaded from anywhere."""

from __future__ import annotations

from html import escape
from itertools import cycle
from typing import Optional

from mobilevis.benchmarks.latency.report.markdown import describe_setup, to_markdown
from mobilevis.benchmarks.latency.report.plots import (
    COLORS,
    distribution_plot,
    interval_plot,
    stages_plot,
    time_plot,
)
from mobilevis.benchmarks.latency.report.schema import LatencyReport

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6878; --paper: #fbfbf9; --card: #fff;
  --line: #e3e5e8; --good: #1b7f4d; --bad: #b3261e; --heat: #d0385c }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa6b5; --paper: #14181d;
  --card: #1b2027; --line: #2d343d; --good: #5fcf97; --bad: #ff8a80; --heat: #ff7a96 } }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.2rem 4rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 0 .4rem; letter-spacing: -.01em }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem }
p, li { color: var(--soft); margin: .15rem 0 } ul { padding-left: 1.1rem; margin: .3rem 0 }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; font-weight: 600;
  font-size: .85rem; border: 1.5px solid currentColor }
.good { color: var(--good) } .bad, .bad li { color: var(--bad) }
figure { margin: .6rem 0 0; padding: .8rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem }
svg.plot { display: block; width: 100%; height: auto }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif }
svg .name { fill: var(--ink); font-weight: 600 }
svg .caption { font-size: 11.5px } svg .inside { fill: #fff; font-weight: 600 }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .heat { stroke: var(--heat) }
svg .heat-tick { fill: var(--heat) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .82rem }
th, td { padding: .28rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { color: var(--soft); font-weight: 600 }
"""


def to_html(report: LatencyReport) -> str:
    """The page."""
    verdict = ("good", "valid") if report.valid else ("bad", "not valid")
    sections = [
        f"<h1>Latency on {escape(str(report.device['address']))}</h1>",
        f'<span class="verdict {verdict[0]}">{verdict[1]}</span>',
        _list([line.removeprefix("- ") for line in describe_setup(report)]),
        _reasons(report),
        _figure("Distribution", "Line: median. Dashes: 90th percentile.", distribution_plot(report)),
        _figure("Stages", "Mean milliseconds of a frame, by stage.", stages_plot(report)),
        _figure(
            "Latency against T",
            "Dots: measured. Dashes: estimate from the measured means of key and other frames.",
            interval_plot(report),
        ),
        *_time_figures(report),
        _tables(to_markdown(report)),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>mobilevis latency</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _list(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _reasons(report: LatencyReport) -> str:
    lines = [f"{artefact.name}: {reason}" for artefact in report.artefacts for reason in artefact.reasons]
    lines = ([f"the run ended early: {report.error}"] if report.error else []) + lines
    return f'<div class="bad">{_list(lines)}</div>' if lines else ""


def _figure(title: str, caption: str, plot: Optional[str]) -> str:
    if plot is None:
        return ""
    return f"<h2>{escape(title)}</h2><p>{escape(caption)}</p><figure>{plot}</figure>"


def _time_figures(report: LatencyReport) -> list[str]:
    caption = "Each sample, and the running median."
    return [
        _figure(f"Over time: {artefact.name}", caption, time_plot(artefact, color))
        for artefact, color in zip(report.artefacts, cycle(COLORS))
    ]


def _tables(markdown: str) -> str:
    """The Markdown report's sections with a table, as HTML."""
    parts = []
    for section in markdown.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
        notes = [line for line in text.splitlines() if line and not line.startswith(("|", "- "))]
        if rows:
            parts.append(f"<h2>{escape(title)}</h2>" + "".join(f"<p>{escape(note)}</p>" for note in notes))
            parts.append(f'<div class="scroll"><table>{"".join(map(_row, enumerate(rows)))}</table></div>')
    return "\n".join(parts)


def _row(numbered: tuple[int, str]) -> str:
    index, line = numbered
    tag = "td" if index else "th"
    cells = line.strip("|").replace("\\|", "\0").split("|")
    texts = (escape(cell.replace("\0", "|").strip()) for cell in cells)
    return "<tr>" + "".join(f"<{tag}>{words}</{tag}>" for words in texts) + "</tr>"
