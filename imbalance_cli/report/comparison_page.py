"""The page of a comparison, of candidates or of runs: one file that loads nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.comparison import describe_method
from imbalance_cli.report.differences import list_metric_rows, write_differences
from imbalance_cli.report.label_table import write_breakable
from imbalance_cli.report.learning_figure import draw_learning
from imbalance_cli.report.names import list_names, show_name
from imbalance_cli.report.overlaid_figures import MOST_OVERLAID, draw_overlaid
from imbalance_cli.report.page_template import render_page
from imbalance_cli.report.palette import RUNS
from imbalance_cli.report.run_page import OPEN_LABELS, Drawn, DrawnLabel
from imbalance_cli.report.summary import HEADING
from imbalance_cli.report.svg import to_inline_svg
from imbalance_cli.report.wording import name_rows, show_number, show_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.comparison import Candidate, Compared
    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.report.contents import ComparisonReport

LEGEND = 24  # letters of a name in a figure


@dataclasses.dataclass(frozen=True)
class Shown:
    """An entry at the head of a page; `role` is its colour, or nothing where it is not drawn."""

    name: str
    role: str
    note: str


def to_html(report: ComparisonReport) -> bytes:
    """Return the page."""
    comparison = report.comparison
    labels = comparison.candidates[0].labels
    several = len(labels) > 1
    places = {curves[0].label: f"label-{i + 1}" for i, curves in enumerate(report.curves)}
    learning = draw_learning(comparison) if comparison.kind == "size" else None
    sections = [("summary", "Summary")]
    sections += [("learning", "Learning curve")] if learning is not None else []
    sections += [("settings", "Configs")]
    averages = [("averages", "Averages"), ("labels", "Labels")]
    sections += averages if several else [("averages", "Numbers")]
    sections += [("figures", "Figures")] if report.curves else []
    table = write_differences(comparison, places) if several else None
    methods = describe_method(comparison)
    scopes = {"Macro" if report.micro is not None else "": _metrics_of(comparison.candidates)}
    if report.micro is not None:
        scopes["Micro"] = _metrics_of(report.micro.candidates)
    return render_page(
        "comparison.html.j2",
        eyebrow=f"{comparison.kind.capitalize()}s side by side",
        title=_write_title(report),
        lede=_write_lede(report),
        sections=[*sections, ("config", "Method")],
        kind=comparison.kind.capitalize(),
        findings=[sentence for sentence in comparison.conclusions if sentence not in methods],
        methods=[
            *(sentence for sentence in methods if sentence in comparison.conclusions),
            _write_reading(report),
            *_write_notes(report, is_paged=table is not None and table.is_paged),
        ],
        learning=None
        if learning is None
        else Drawn(learning.title, to_inline_svg(learning, "learning", learning.title)),
        cautions=report.cautions,
        entries=[_show_entry(report, i) for i in range(len(report.entries))],
        settings={
            write_breakable(key): [write_breakable(value) for value in values]
            for key, values in report.settings.items()
        },
        averages_title="Averages over labels" if several else show_name(labels[0].label, HEADING),
        averages=list_metric_rows(
            comparison.metrics,
            scopes,
            {candidate.name for candidate in comparison.candidates if candidate.still_improving},
        ),
        table=table,
        figures_title="Where they differ most" if several else "In pictures",
        figures_note=_write_figures_note(report),
        drawn=[_draw_label(i + 1, curves, report) for i, curves in enumerate(report.curves)],
        versions=report.versions,
    )


def _metrics_of(candidates: Sequence[Candidate]) -> dict[str, dict[str, Compared]]:
    return {candidate.name: candidate.macro for candidate in candidates}


def _write_title(report: ComparisonReport) -> str:
    if report.comparison.kind == "size":
        return "Would more positives help?"
    return list_names([entry.name for entry in report.entries])


def _write_lede(report: ComparisonReport) -> str:
    comparison = report.comparison
    rows = f"the same {name_rows(comparison.rows, comparison.part)} of {comparison.source}"
    first = show_name(comparison.baseline, HEADING)
    several = f"{len(report.entries)} {comparison.kind}s"
    if comparison.kind != "run":
        use = "each scored by models that were not trained on it"
        return f"{several} on {rows}, {use}. Each is compared with {first}."
    tuned = [entry.name for entry in report.entries if entry.is_tuned]
    use = "which none of them learned from"
    if tuned:
        which = "each" if len(tuned) == len(report.entries) else list_names(tuned)
        use = f"which none of them was trained on, but which {which} was chosen and tuned on"
    return f"{several} on {rows}, {use}. Each is compared with the first, {first}."


def _write_reading(report: ComparisonReport) -> str:
    comparison = report.comparison
    if not comparison.replicates:
        return "There are no intervals: no bootstrap replicates were asked for."
    drawn = "whole groups" if comparison.resampled == "groups" else "rows"
    own = ", which are those of each run's own report" if comparison.kind == "run" else ""
    return (
        f"Each of {comparison.replicates} bootstrap replicates draws the same {drawn} for every "
        f"{comparison.kind}, so that what is hard about a draw cancels in the differences: they "
        f"can be clear where the intervals of the values overlap{own}."
    )


def _write_notes(report: ComparisonReport, *, is_paged: bool) -> list[str]:
    """Return how the averages and the table of labels are made."""
    labels = report.comparison.candidates[0].labels
    left = [label.label for label in labels if not label.learnable]
    sentences = ["A tie is no proof that two are alike: these rows do not tell them apart."]
    if report.micro is not None:
        sentences.append(
            "Macro is the mean over the labels that every run learned and that have both classes; "
            "micro is of all their cells together."
        )
    if len(labels) > 1:
        sentences.append(
            "Of all labels, those that differ most stand first. The drawings of one metric share "
            "one scale, with 0 in the middle; it is in the tooltip of the heading."
        )
    if is_paged:
        sentences.append("The other metrics, and intervals, are in --format csv.")
    if left:
        kind = report.comparison.kind
        sentences.append(f"Without numbers, since not every {kind} learned it: {list_names(left)}.")
    return sentences


def _write_figures_note(report: ComparisonReport) -> str:
    total, drawn = len(report.comparison.candidates[0].labels), len(report.curves)
    sentences = []
    if drawn < total:
        sentences.append(
            f"Of {total:,} labels, {drawn} are drawn: first those with a clear difference of "
            "average precision, then by its size."
        )
    if len(report.entries) > MOST_OVERLAID:
        sentences.append(f"The figures have the first {MOST_OVERLAID} runs.")
    sentences.append("A dot on a curve is at the threshold of its run.")
    return " ".join(sentences)


def _show_entry(report: ComparisonReport, i: int) -> Shown:
    entry = report.entries[i]
    role = RUNS[i] if report.curves and i < len(RUNS) else ""
    return Shown(show_name(entry.name, HEADING), role, entry.note)


def _draw_label(number: int, curves: Sequence[LabelCurves], report: ComparisonReport) -> DrawnLabel:
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
        for figure in draw_overlaid([show_name(run.name, LEGEND) for run in report.entries], curves)
    ]
    note = "" if figures else "These rows do not have both classes: there is nothing to draw."
    opened = len(report.curves) <= OPEN_LABELS or number == 1
    return DrawnLabel(number, name, f"{facts} · AP {shown}", note, opened, figures)
