"""The page of several runs: side by side in one file that loads nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.report.difference_table import write_averages, write_differences
from imbalance_cli.report.html import OPEN_LABELS, Drawn, DrawnLabel
from imbalance_cli.report.names import list_names, show_name
from imbalance_cli.report.overlaid_figures import MOST_OVERLAID, draw_overlaid
from imbalance_cli.report.page_template import render_page
from imbalance_cli.report.palette import RUNS
from imbalance_cli.report.summary import HEADING
from imbalance_cli.report.svg import to_inline_svg
from imbalance_cli.report.wording import name_rows, show_number, show_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.report.contents import RunsReport

LEGEND = 24  # letters of the name of a run in a figure


@dataclasses.dataclass(frozen=True)
class ShownRun:
    """A run at the head of a page; `role` is its colour, or nothing where it is not drawn."""

    name: str
    role: str
    note: str


def to_html(report: RunsReport) -> bytes:
    """Return the page of several runs."""
    comparison = report.comparison
    labels = comparison.candidates[0].labels
    several = len(labels) > 1
    places = {curves[0].label: f"label-{i + 1}" for i, curves in enumerate(report.curves)}
    sections = [("summary", "Summary"), ("settings", "Configs")]
    averages = [("averages", "Averages"), ("labels", "Labels")]
    sections += averages if several else [("averages", "Numbers")]
    table = write_differences(report, places) if several else None
    return render_page(
        "comparison.html.j2",
        eyebrow="Runs side by side",
        title=list_names([run.name for run in report.runs]),
        lede=_write_lede(report),
        sections=[*sections, ("figures", "Figures"), ("config", "Versions")],
        findings=comparison.conclusions,
        reading=_write_reading(report),
        cautions=report.cautions,
        runs=[_show_run(report, i) for i in range(len(report.runs))],
        settings=report.settings,
        averages_title="Averages over labels" if several else show_name(labels[0].label, HEADING),
        averages_text=_write_averages_text(report),
        scopes=["Macro", "Micro"] if report.micro is not None else ["Value"],
        averages=write_averages(report),
        table=table,
        table_note=_write_table_note(report, is_paged=table is not None and table.is_paged),
        figures_title="Where they differ most" if several else "In pictures",
        figures_note=_write_figures_note(report),
        drawn=[_draw_label(i + 1, curves, report) for i, curves in enumerate(report.curves)],
        versions=report.versions,
    )


def _write_lede(report: RunsReport) -> str:
    rows = name_rows(report.comparison.rows, report.part)
    tuned = [run.name for run in report.runs if run.part != "test"]
    use = "which none of them learned from"
    if tuned:
        which = "each" if len(tuned) == len(report.runs) else list_names(tuned)
        use = f"which none of them was trained on, but which {which} was chosen and tuned on"
    return (
        f"{len(report.runs)} runs on the same {rows} of {report.source}, {use}. Each is compared "
        f"with the first, {show_name(report.runs[0].name, HEADING)}."
    )


def _write_reading(report: RunsReport) -> str:
    comparison = report.comparison
    if not comparison.replicates:
        return "There are no intervals: no bootstrap replicates were asked for."
    drawn = "whole groups" if comparison.resampled == "groups" else "rows"
    return (
        f"Each of {comparison.replicates} bootstrap replicates draws the same {drawn} for every "
        "run, so that what is hard about a draw cancels in the differences: they can be clear "
        "where the intervals of the values overlap, which are those of each run's own report."
    )


def _write_averages_text(report: RunsReport) -> str:
    first = show_name(report.runs[0].name, HEADING)
    marks = "▲ is better and ▼ worse, by more than the number of comparisons explains"
    start = f"Differences are to {first}; {marks}."
    if report.micro is None:
        return start
    return (
        f"{start} Macro is the mean over the labels that every run learned and that have both "
        "classes; micro is of all their cells together."
    )


def _write_table_note(report: RunsReport, *, is_paged: bool) -> str:
    labels = report.comparison.candidates[0].labels
    left = [label.label for label in labels if not label.learnable]
    sentences = ["Labels that differ most stand first."]
    sentences.append(
        "The drawings of one metric share one scale, with 0 in the middle; it is in the tooltip of "
        "the heading."
    )
    if is_paged:
        sentences.append("The other metrics, and intervals: imbtrain report RUN RUN --format csv.")
    if left:
        sentences.append(f"Without numbers, since not every run learned it: {list_names(left)}.")
    return " ".join(sentences)


def _write_figures_note(report: RunsReport) -> str:
    total, drawn = len(report.comparison.candidates[0].labels), len(report.curves)
    sentences = []
    if drawn < total:
        sentences.append(
            f"Of {total:,} labels, {drawn} are drawn: first those with a clear difference of "
            "average precision, then by its size."
        )
    if len(report.runs) > MOST_OVERLAID:
        sentences.append(f"The figures have the first {MOST_OVERLAID} runs.")
    sentences.append("A dot on a curve is at the threshold of its run.")
    return " ".join(sentences)


def _show_run(report: RunsReport, i: int) -> ShownRun:
    run = report.runs[i]
    made = run.created[:16].replace("T", " ")
    return ShownRun(
        show_name(run.name, HEADING),
        RUNS[i] if i < len(RUNS) else "",
        f"{run.path}; loss {run.loss}; {made} UTC",
    )


def _draw_label(number: int, curves: Sequence[LabelCurves], report: RunsReport) -> DrawnLabel:
    first = curves[0]
    name = show_name(first.label, HEADING)
    i = [label.label for label in report.comparison.candidates[0].labels].index(first.label)
    values = [run.labels[i].metrics["average_precision"] for run in report.comparison.candidates]
    rows, share = name_rows(first.rows), show_share(first.prevalence)
    facts = f"{first.positives:,} positives in {rows} ({share})"
    shown = ", ".join(show_number(compared.value) for compared in values)
    figures = [
        Drawn(
            figure.title,
            to_inline_svg(figure, f"l{number}-{figure.name}", f"{figure.title}: {name}"),
        )
        for figure in draw_overlaid([show_name(run.name, LEGEND) for run in report.runs], curves)
    ]
    note = "" if figures else "These rows do not have both classes: there is nothing to draw."
    opened = len(report.curves) <= OPEN_LABELS or number == 1
    return DrawnLabel(number, name, f"{facts} · AP {shown}", note, opened, figures)
