"""One self-contained page: the tables and the plots, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mobilevis.benchmarks.latency.report.compare import compare_within, is_comparable
from mobilevis.benchmarks.latency.report.plots import distribution_plot, interval_plot, stages_plot
from mobilevis.benchmarks.latency.report.ratio_tables import (
    gather_warnings,
    headline_table,
    stage_ratio_tables,
)
from mobilevis.benchmarks.latency.report.schema import LatencyReport
from mobilevis.benchmarks.latency.report.tables import (
    describe_setup,
    group_reasons,
    name_keys,
    report_tables,
)
from mobilevis.benchmarks.latency.report.time_plots import time_plots

TEMPLATE = "page.html.j2"
OVER_TIME = "Each sample, and the running median; one scale for all artefacts."


def to_html(report: LatencyReport) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("mobilevis.benchmarks.latency.report", ""),
        autoescape=True,  # names of files and words of devices are in it
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    comparisons = compare_within(report) if is_comparable(report) else []
    keys = name_keys(report)
    summary, *others = report_tables(report)
    return environment.get_template(TEMPLATE).render(
        address=report.device["address"],
        valid=report.valid,
        setup=describe_setup(report),
        reasons=group_reasons(report),
        warnings=gather_warnings(comparisons),
        first_tables=[headline_table(comparisons, keys), summary] if comparisons else [summary],
        figures=list(_figures(report)),
        last_tables=[*others, *stage_ratio_tables(comparisons, keys)],
    )


def _figures(report: LatencyReport) -> Iterable[tuple[str, str, Markup]]:
    """(title, caption, SVG) of each plot that there is; the SVG's own texts are escaped in it."""
    plots: list[tuple[str, str, Optional[str]]] = [
        ("Distribution", "Line: median. Dashes: 90th percentile.", distribution_plot(report)),
        ("Stages", "Mean milliseconds of a frame, by stage.", stages_plot(report)),
        (
            "Latency against T",
            "Dots: measured. Dashes: estimate from the measured means of key and other frames.",
            interval_plot(report),
        ),
        *((f"Over time: {name}", OVER_TIME, plot) for name, plot in time_plots(report)),
    ]
    return ((title, caption, Markup(plot)) for title, caption, plot in plots if plot is not None)
