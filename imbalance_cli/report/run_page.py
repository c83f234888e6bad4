"""report.html: all of a run in one file that loads nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from imbalance_cli.comparison import Compared
from imbalance_cli.errors import escape_name
from imbalance_cli.report.differences import list_metric_rows
from imbalance_cli.report.explanation import write_explanation
from imbalance_cli.report.label_figures import draw_labels
from imbalance_cli.report.label_table import write_breakable, write_table
from imbalance_cli.report.names import show_name
from imbalance_cli.report.next_steps import list_steps
from imbalance_cli.report.page_template import SHADES, render_page
from imbalance_cli.report.provenance import (
    data_of,
    describe_data,
    describe_making,
    describe_weights,
    make_weights_table,
)
from imbalance_cli.report.ranking_figures import RANKINGS
from imbalance_cli.report.run_figures import draw_run, show_pair
from imbalance_cli.report.slices import show_slices
from imbalance_cli.report.summary import (
    HEADING,
    list_key_numbers,
    list_metrics,
    list_whole_rows,
    write_lead,
    write_lede,
    write_reading,
    write_table_note,
    write_title,
)
from imbalance_cli.report.svg import to_inline_svg
from imbalance_cli.report.wording import READING, name_rows, show_number, show_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from imbalance_cli.evaluation import LabelEvaluation
    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.report.contents import RunReport, Together
    from imbalance_cli.report.differences import MetricRows
    from imbalance_cli.report.figures import Chart

COLUMN = 40  # letters of a name above a column of pairs
OPEN_LABELS = 3  # with so many labels or fewer, all are unfolded; else the first


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A figure in a page."""

    title: str
    svg: Markup


@dataclasses.dataclass(frozen=True)
class DrawnLabel:
    """A label's figures, folded or not.

    Attributes:
        number: of its place in the page.
        name: as shown.
        facts: what is said of it in its heading.
        note: what is said below, or nothing.
        open: whether it is unfolded at first.
        figures: to show.
    """

    number: int
    name: str
    facts: str
    note: str
    open: bool
    figures: list[Drawn]


def to_html(report: RunReport) -> bytes:
    """Return the page of a run."""
    evaluation = report.evaluation
    places = {curves.label: f"label-{i + 1}" for i, curves in enumerate(report.curves)}
    figures = {figure.name: figure for figure in draw_run(report)}
    return render_page(
        "run.html.j2",
        eyebrow="Model report",
        title=write_title(report),
        lede=write_lede(report),
        sections=_sections(
            figures,
            single=len(evaluation.labels) == 1,
            is_explained=report.explanation is not None,
            has_slices=evaluation.slices is not None,
        ),
        slices=show_slices(evaluation),
        peer=report.peer,
        peer_rows=[] if report.peer is None else _list_peer_rows(report.peer),
        lead=write_lead(evaluation),
        findings=report.findings,
        reading=write_reading(evaluation),
        remarks=data_of(report).get("remarks", []),
        numbers=list_key_numbers(evaluation),
        rankings=[_draw(figures, name) for name, *_ in RANKINGS.values() if name in figures],
        table=write_table(evaluation, places),
        table_note=write_table_note(evaluation),
        metrics=list_metrics(evaluation) if len(evaluation.labels) == 1 else [],
        whole_rows=list_whole_rows(evaluation),
        drawn=[_draw_label(i + 1, *drawn, report) for i, drawn in enumerate(draw_labels(report))],
        drawn_note=_drawn_note(report),
        reading_terms=READING.items(),
        training=[
            _draw(figures, name) for name in ("training_loss", "validation") if name in figures
        ],
        training_text=figures["validation"].description if "validation" in figures else "",
        data=list(describe_data(report)),
        weights=make_weights_table(report),
        weights_text=describe_weights(report),
        together=_show_together(report.together, figures),
        rests=None if report.explanation is None else write_explanation(report.explanation),
        config=report.config,
        versions=report.document["versions"],
        run=report.run,
        steps=list_steps(report),
        making=list(describe_making(report)),
    )


def _list_peer_rows(peer: Mapping[str, Any]) -> list[MetricRows]:
    """Return the metrics of the network and of its peer."""
    macro = {
        model["name"]: {name: Compared(**found) for name, found in model["macro"].items()}
        for model in peer["models"]
    }
    metrics = list(next(iter(macro.values())))
    improving = {model["name"] for model in peer["models"] if model["still_improving"]}
    return list_metric_rows(metrics, {"": macro}, improving)


def _sections(
    figures: Mapping[str, Chart], *, single: bool, is_explained: bool, has_slices: bool
) -> list[tuple[str, str]]:
    """Return the sections in the order of the page; one label is best seen first."""
    numbers, pictures = ("labels", "Numbers"), ("figures", "Figures")
    sections = [("summary", "Summary"), *((pictures, numbers) if single else (numbers, pictures))]
    sections += [("slices", "Groups")] if has_slices else []
    sections += [("rests", "Columns")] if is_explained else []
    sections += [("training", "Training")] if "validation" in figures else []
    sections += [("data", "Data"), ("weights", "Weights")]
    sections += [("together", "Together")] if "together" in figures else []
    return [*sections, ("use", "What next"), ("config", "How it was made")]


def _draw(figures: Mapping[str, Chart], name: str) -> Drawn | None:
    if name not in figures:
        return None
    figure = figures[name]
    return Drawn(figure.title, to_inline_svg(figure, f"run-{name}", figure.title))


def _draw_label(
    number: int,
    curves: LabelCurves,
    label: LabelEvaluation,
    figures: Sequence[Chart],
    report: RunReport,
) -> DrawnLabel:
    name = show_name(curves.label, HEADING)
    ap, share = label.average_precision, show_share(curves.prevalence)
    facts = [
        f"{curves.positives:,} positives in {name_rows(curves.rows)} ({share})",
        f"AP {show_number(ap.value)}",
        *report.chosen.get(curves.label, ()),
    ]
    drawn = [
        Drawn(
            figure.title,
            to_inline_svg(figure, f"l{number}-{figure.name}", f"{figure.title}: {name}"),
        )
        for figure in figures
    ]
    note = ""
    if not curves.rows:
        note = "No row has a known target: there is nothing to draw."
    elif not curves.positives or curves.positives == curves.rows:
        side = "positives" if not curves.positives else "negatives"
        note = f"These rows have no {side}: the curves that need both classes are left out."
    opened = len(report.curves) <= OPEN_LABELS or number == 1
    return DrawnLabel(number, name, " · ".join(facts), note, opened, drawn)


def _drawn_note(report: RunReport) -> str:
    left = [label for label in report.evaluation.labels if not label.learnable]
    total = len(report.evaluation.labels)
    sentences = []
    if report.chosen:
        sentences.append(
            f"Of {total:,} labels, {len(report.curves)} are drawn: the rarest, and the worst and "
            "the best by average precision."
        )
    if left:
        names = ", ".join(show_name(label.label, HEADING) for label in left[:OPEN_LABELS])
        others = f" and {len(left) - OPEN_LABELS:,} more" if len(left) > OPEN_LABELS else ""
        sentences.append(f"Not drawn, since training had one class of them only: {names}{others}.")
    return " ".join(sentences)


@dataclasses.dataclass(frozen=True)
class Shaded:
    """A cell of a matrix with its shade, from 0 to SHADES."""

    text: str
    shade: int


def _show_together(
    together: Together | None, figures: Mapping[str, Chart]
) -> dict[str, Any] | None:
    if together is None:
        return None
    rows = [
        (
            write_breakable(show_name(name, HEADING)),
            [
                Shaded(show_pair(share), 0 if i == j else round((share or 0.0) * SHADES))
                for j, share in enumerate(row)
            ],
        )
        for i, (name, row) in enumerate(zip(together.labels, together.shares, strict=True))
    ]
    columns = [
        (write_breakable(show_name(name, COLUMN)), escape_name(name)) for name in together.labels
    ]
    return {
        "title": figures["together"].title,
        "text": "Of the positives of the label at the left, the share that are positives of the "
        "label above too.",
        "corner": "of the positives of",
        "columns": columns,
        "rows": rows,
    }
