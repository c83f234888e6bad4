"""The table of all labels in a page, written fast enough for ten thousand of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from imbalance_cli.errors import escape_name
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.chance import is_no_better_than_chance
from imbalance_cli.report.wording import (
    UNDEFINED,
    show_interval,
    show_number,
    show_share,
    show_threshold,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.evaluation import Estimate, Evaluation, Interval, LabelEvaluation

FIRST = ("roc_auc", "f1", "precision", "recall")  # of the metrics that are always shown
LAST = ("ece",)
SHORT, LONG = 28, 60  # letters of a name that is on one line, or cut after three
MOST_AT_ONCE = 300  # labels; more are paged, and only their average precision has its interval


@dataclasses.dataclass(frozen=True)
class Head:
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
    """A table whose body is written already; `is_paged` if it has too many rows to see at once."""

    columns: list[Head]
    rows: Sequence[LabelEvaluation]
    body: Markup
    averages: list[AverageRow]
    is_paged: bool


def write_table(evaluation: Evaluation, places: Mapping[str, str]) -> LabelTable:
    """Return the table of all labels, commonest first.

    Args:
        evaluation: of the labels.
        places: where in the page a label has figures, by its name.
    """
    rows = sorted(evaluation.labels, key=lambda label: -(label.prevalence or 0.0))
    more = [name for name in METRIC_SPECS if name not in ("average_precision", *FIRST, *LAST)]
    with_intervals = len(rows) <= MOST_AT_ONCE
    body = "".join(_row(label, places, more, with_intervals=with_intervals) for label in rows)
    columns = [
        Head("Label", "the name of the label"),
        Head("Positives", "rows whose target is 1"),
        _column("average_precision"),
        Head("Against chance", "average precision in its interval; the tick is the prevalence"),
        Head("Prevalence", "the share of positives"),
        *map(_column, FIRST),
        Head("Threshold", "the probability from which a row is decided positive"),
        *map(_column, LAST),
        Head("Rows", "rows whose target is known", more=True),
        Head("Missing", "rows whose target is not known", more=True),
        *(_column(name, more=True) for name in more),
    ]
    averages = _averages(evaluation, more) if len(rows) > 1 else []
    written = Markup(body)  # noqa: S704  escaped in _row
    return LabelTable(columns, rows, written, averages, is_paged=not with_intervals)


def _column(name: str, *, more: bool = False) -> Head:
    return Head(METRIC_SPECS[name].heading, METRIC_SPECS[name].meaning, more=more)


def _row(
    label: LabelEvaluation, places: Mapping[str, str], more: Sequence[str], *, with_intervals: bool
) -> str:
    """Return a row; end tags that HTML can do without are left out."""
    weak = ' class="weak"' if is_no_better_than_chance(label) else ""
    ap = label.average_precision

    def metric(name: str) -> str:
        estimate: Estimate = getattr(label, name)
        if estimate.value is None:
            return _undefined(label.undefined.get(name, "undefined"))
        has_interval = with_intervals or estimate is ap
        if not has_interval:
            return show_number(estimate.value)
        return show_number(estimate.value, estimate) + _below(estimate)

    above = "" if ap.value is None else f' data-v="{ap.value - (label.prevalence or 0.0):.3f}"'
    cells = [
        f"<td>{label.positives:,}",
        f"<td>{metric('average_precision')}",
        f"<td{above}>{_bar(label)}",
        f"<td>{show_share(label.prevalence)}",
        *(f"<td>{metric(name)}" for name in FIRST),
        f"<td>{show_threshold(label.threshold)}",
        *(f"<td>{metric(name)}" for name in LAST),
    ]
    hidden = [f"{label.support:,}", f"{label.missing:,}", *map(metric, more)]
    cells += [f'<td class="more">{cell}' for cell in hidden]
    name = write_name(label.label, places, learnable=label.learnable)
    return f"\n<tr{weak}>{name}{''.join(cells)}"


def write_name(label: str, places: Mapping[str, str], *, learnable: bool) -> str:
    """Return the head of a row: the name of a label, which leads to its figures if it has any."""
    shown = escape_name(label)
    name = write_breakable(shown)
    short = ' class="short"' if len(shown) <= SHORT else ""
    if len(shown) > LONG:
        name = Markup('<span class="long">{}</span>').format(name)
    if label in places:
        name = Markup('<a href="#{}">{}</a>').format(places[label], name)
    if not learnable:
        name += Markup(" <small>not learned</small>")
    return f'<th scope="row"{short}>{name}'


def write_breakable(name: str) -> Markup:
    """Return a name that may go on in another line after an underscore, a dot or a colon."""
    for mark in "_.:":
        name = escape(name).replace(mark, Markup(f"{mark}<wbr>"))  # noqa: S704  of these three
    return escape(name)


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
    """Return the averages over labels that are not empty, each with its interval if it has one."""
    named = {
        "macro": (evaluation.macro, evaluation.macro_intervals),
        "micro": (evaluation.micro, evaluation.micro_intervals),
        "weighted by positives": (evaluation.weighted_average, evaluation.weighted_intervals),
    }
    rows = []
    for name, (values, intervals) in named.items():
        cells = {
            key: show_number(value, intervals.get(key)) + _below(intervals.get(key))
            for key, value in values.items()
        }
        shown = ["", cells["average_precision"], "", "", *(cells[key] for key in FIRST)]
        shown += ["", *(cells[key] for key in LAST)]
        written = "".join(f"<td>{cell}</td>" for cell in shown)
        written += '<td class="more"></td>' * 2
        written += "".join(f'<td class="more">{cells[key]}</td>' for key in more)
        rows.append(AverageRow(name, Markup(written)))  # noqa: S704  numbers only
    return rows


def _below(interval: Interval | Estimate | None) -> str:
    """Return an interval as it stands below its number, or nothing."""
    shown = "" if interval is None else show_interval(interval.low, interval.high)
    return f"<small>{shown}</small>" if shown else ""
