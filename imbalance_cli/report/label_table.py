"""The table of all labels in a page, written fast enough for ten thousand of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from imbalance_cli.evaluation import METRICS, Estimate
from imbalance_cli.report.wording import (
    METRIC_WORDS,
    UNDEFINED,
    show_interval,
    show_number,
    show_share,
    show_threshold,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.evaluation import Evaluation, LabelEvaluation

FIRST = ("roc_auc", "f1", "precision", "recall")  # of the metrics that are always shown
LAST = ("ece",)
LONG = 60  # letters of a name that is cut after three lines
MOST_WITH_INTERVALS = 300  # labels; of more, only average precision has its interval


@dataclasses.dataclass(frozen=True)
class Column:
    """The head of a column; `more` hides it until every metric is asked for."""

    name: str
    meaning: str
    more: bool = False


@dataclasses.dataclass(frozen=True)
class AverageRow:
    """A row of averages: its name, and its cells after that."""

    name: str
    cells: Markup


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """A table whose body is written already."""

    columns: list[Column]
    rows: Sequence[LabelEvaluation]
    body: Markup
    averages: list[AverageRow]


def write_table(evaluation: Evaluation, places: Mapping[str, str]) -> LabelTable:
    """Return the table of all labels, commonest first.

    Args:
        evaluation: of the labels.
        places: where in the page a label has figures, by its name.
    """
    rows = sorted(evaluation.labels, key=lambda label: -(label.prevalence or 0.0))
    more = [name for name in METRICS if name not in ("average_precision", *FIRST, *LAST)]
    with_intervals = len(rows) <= MOST_WITH_INTERVALS
    body = "".join(_row(label, places, more, with_intervals=with_intervals) for label in rows)
    columns = [
        Column("Label", "the name of the label"),
        Column("Positives", "rows whose target is 1"),
        Column("Rows", "rows whose target is known"),
        Column("Prevalence", "the share of positives"),
        Column("AP against chance", "interval and value; the tick is the prevalence"),
        *(_column(name) for name in ("average_precision",)),
        Column("Interval", f"{evaluation.confidence:.0%} of the average precision"),
        *(_column(name) for name in FIRST),
        Column("Threshold", "the probability from which a row is decided positive"),
        *(_column(name) for name in LAST),
        *(_column(name, more=True) for name in more),
    ]
    averages = _averages(evaluation, more) if len(rows) > 1 else []
    return LabelTable(columns, rows, Markup(body), averages)  # noqa: S704  escaped in _row


def is_no_better_than_chance(label: LabelEvaluation) -> bool:
    """Return whether the interval of the average precision reaches down to the prevalence."""
    low = label.average_precision.low
    return low is not None and label.prevalence is not None and low <= label.prevalence


def _column(name: str, *, more: bool = False) -> Column:
    return Column(*METRIC_WORDS[name], more=more)


def _row(
    label: LabelEvaluation, places: Mapping[str, str], more: Sequence[str], *, with_intervals: bool
) -> str:
    """Return a row; end tags that HTML can do without are left out."""
    name = str(escape(label.label))
    if len(label.label) > LONG:
        name = f'<span class="long">{name}</span>'
    if label.label in places:
        name = f'<a href="#{places[label.label]}">{name}</a>'
    if not label.learnable:
        name += " <small>not learned</small>"
    weak = ' class="weak"' if is_no_better_than_chance(label) else ""
    ap = label.average_precision
    cells = [
        f"{label.positives:,}",
        f"{label.support:,}",
        show_share(label.prevalence),
    ]

    def metric(name: str, *, with_interval: bool = with_intervals) -> str:
        estimate: Estimate = getattr(label, name)
        if estimate.value is None:
            return _undefined(label.undefined.get(name, "undefined"))
        interval = show_interval(estimate.low, estimate.high) if with_interval else ""
        return show_number(estimate.value) + (f"<small>{interval}</small>" if interval else "")

    first = "<td>".join([*cells, _bar(label), metric("average_precision", with_interval=False)])
    rest = [show_interval(ap.low, ap.high) or UNDEFINED, *map(metric, FIRST)]
    rest += [show_threshold(label.threshold), *map(metric, LAST)]
    hidden = "".join(f'<td class="more">{metric(name)}' for name in more)
    return f'\n<tr{weak}><th scope="row">{name}<td>{first}<td>{"<td>".join(rest)}{hidden}'


def _undefined(reason: str) -> str:
    return f'<abbr title="{escape(reason)}">{UNDEFINED}</abbr>'


def _bar(label: LabelEvaluation) -> str:
    """Return average precision in its interval, against the prevalence, as a small drawing."""
    ap = label.average_precision
    if ap.value is None or label.prevalence is None:
        return ""
    interval = ""
    if ap.low is not None and ap.high is not None:
        interval = f'<path class="model" d="M{_x(ap.low)} 8H{_x(ap.high)}"/>'
    return (
        '<svg class="bar" viewBox="0 0 136 16" aria-hidden="true">'
        f'<path class="grid" d="M4 8H132"/><path class="chance" d="M{_x(label.prevalence)} 2V14"/>'
        f'{interval}<circle class="model" cx="{_x(ap.value)}" cy="8" r="4"/></svg>'
    )


def _x(share: float) -> str:
    return f"{4 + 128 * share:.1f}"


def _averages(evaluation: Evaluation, more: Sequence[str]) -> list[AverageRow]:
    """Return the averages over labels that are not empty."""
    named = {
        "macro": evaluation.macro,
        "micro": evaluation.micro,
        "weighted by positives": evaluation.weighted_average,
    }
    rows = []
    for name, values in named.items():
        ap = show_number(values["average_precision"])
        shown = ["", "", "", "", ap, "", *(show_number(values[key]) for key in FIRST)]
        shown += ["", *(show_number(values[key]) for key in LAST)]
        cells = "".join(f"<td>{cell}</td>" for cell in shown)
        cells += "".join(f'<td class="more">{show_number(values[key])}</td>' for key in more)
        rows.append(AverageRow(name, Markup(cells)))  # noqa: S704  numbers only
    return rows
