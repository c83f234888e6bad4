"""A comparison in a page: values, paired differences drawn against 0, and verdicts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from markupsafe import Markup

from imbalance_cli.metrics import METRIC_SPECS, lower_is_better
from imbalance_cli.report.comparison import (
    MARKS,
    PRIMARY,
    RANKING,
    WITH_DIFFERENCE,
    show_signed,
)
from imbalance_cli.report.label_table import MOST_AT_ONCE, Head, write_breakable, write_name
from imbalance_cli.report.names import show_name
from imbalance_cli.report.wording import UNDEFINED, show_interval

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from imbalance_cli.comparison import Compared, Comparison

ROLES = {"better": "model", "worse": "positive", "unclear": "chance"}
HEADING = 40  # letters of a name in the head of a row or a column
REACH = 46  # of 100: how far a drawing goes on either side of the middle, where 0 lies


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of one candidate, as shown.

    Attributes:
        name: of the candidate.
        value: of the metric.
        interval: of the value.
        difference: to the baseline.
        ends: of its interval.
        drawing: both, against 0; empty for the baseline.
        verdict: better, worse, tie or nothing.
        sentence: the verdict in words.
    """

    name: Markup
    value: str
    interval: str
    difference: str
    ends: str
    drawing: Markup
    verdict: str
    sentence: str


@dataclasses.dataclass(frozen=True)
class MetricRows:
    """A metric, and a row per candidate in each scope; all drawings share one axis.

    Attributes:
        name: of the metric.
        meaning: what it measures.
        axis: what stands at the left, in the middle and at the right of the drawings.
        scopes: rows by what they are of, as "Macro".
        is_folded: whether it is shown only where it is asked for.
    """

    name: str
    meaning: str
    axis: tuple[str, str, str]
    scopes: dict[str, list[Row]]
    is_folded: bool


def list_metric_rows(
    metrics: Sequence[str],
    scopes: Mapping[str, Mapping[str, Mapping[str, Compared]]],
    unsettled: Collection[str] = (),
) -> list[MetricRows]:
    """Return the rows of each metric, those that a comparison is read by first.

    Args:
        metrics: their names.
        scopes: by what they are of, as "Macro": the metrics of each candidate, the baseline first.
        unsettled: candidates that were still improving when training ended.
    """
    first = [metric for metric in metrics if metric in WITH_DIFFERENCE]
    others = [metric for metric in metrics if metric not in first]
    return [_rows_of(metric, scopes, unsettled) for metric in (*first, *others)]


def _rows_of(
    metric: str,
    scopes: Mapping[str, Mapping[str, Mapping[str, Compared]]],
    unsettled: Collection[str],
) -> MetricRows:
    spec = METRIC_SPECS[metric]
    scale = _scale(of[metric] for scope in scopes.values() for of in scope.values())
    sides = ["worse", "better"]
    if lower_is_better(metric):
        sides.reverse()
    return MetricRows(
        spec.heading,
        spec.meaning,
        (f"{-scale:.2g} {sides[0]}", "0", f"{scale:.2g} {sides[1]}"),
        {
            title: [_row(name, metric, scope, scale, unsettled) for name in scope]
            for title, scope in scopes.items()
        },
        metric not in WITH_DIFFERENCE,
    )


def _row(
    name: str,
    metric: str,
    scope: Mapping[str, Mapping[str, Compared]],
    scale: float,
    unsettled: Collection[str],
) -> Row:
    compared, baseline = scope[name][metric], next(iter(scope))
    digits = METRIC_SPECS[metric].digits
    verdict = {"unclear": "tie", None: ""}.get(compared.verdict, compared.verdict) or ""
    sentence = verdict
    if name == baseline:
        sentence = "baseline"
    elif verdict == "tie" and (name in unsettled or baseline in unsettled):
        improving = name if name in unsettled else baseline
        verdict = ""
        sentence = f"no verdict: {show_name(improving, HEADING)} still improved at its last epoch"
    elif verdict == "tie":
        sentence = f"tie: cannot be told apart from {show_name(baseline, HEADING)}"
    elif not verdict:
        sentence = "no interval" if compared.difference is not None else "undefined"
    return Row(
        write_breakable(show_name(name, HEADING)),
        UNDEFINED if compared.value is None else f"{compared.value:.{digits}f}",
        show_interval(compared.low, compared.high),
        UNDEFINED if compared.difference is None else show_signed(compared.difference, digits),
        _show_ends(compared, digits),
        Markup("" if compared.difference is None else _bar(compared, scale)),  # noqa: S704  numbers
        verdict,
        sentence,
    )


@dataclasses.dataclass(frozen=True)
class DifferenceTable:
    """The table of all labels; of its metrics one is shown at a time.

    Attributes:
        metrics: keys and names of those it has.
        columns: a heading each, with the classes of its cells.
        body: the rows, written already.
        is_paged: whether it has too many rows to see at once.
    """

    metrics: Mapping[str, str]
    columns: list[tuple[str, Head]]
    body: Markup
    is_paged: bool


def write_differences(comparison: Comparison, places: Mapping[str, str]) -> DifferenceTable:
    """Return the table of all labels, those that differ most first.

    Args:
        comparison: of candidates or runs.
        places: where in the page a label has figures, by its name.
    """
    order = rank_labels(comparison)
    is_paged = len(order) > MOST_AT_ONCE
    metrics = PRIMARY if is_paged else comparison.metrics
    scales = {
        metric: _scale(c.labels[i].metrics[metric] for c in comparison.candidates for i in order)
        for metric in metrics
    }
    body = "".join(
        _label_row(comparison, i, scales, places, with_intervals=not is_paged) for i in order
    )
    names = [show_name(candidate.name, HEADING) for candidate in comparison.candidates]
    return DifferenceTable(
        {metric: METRIC_SPECS[metric].heading for metric in metrics},
        [column for metric in metrics for column in _columns(metric, names, scales[metric])],
        Markup(body),  # noqa: S704  escaped in _label_row
        is_paged,
    )


def rank_labels(comparison: Comparison) -> list[int]:
    """Return the numbers of the labels, by how far a run's average precision is from the first's.

    Those whose verdict is clear come first: among thousands of labels the largest differences are
    chance, and of the rarest.
    """

    def place(i: int) -> tuple[int, float]:
        compared = [run.labels[i].metrics[RANKING] for run in comparison.candidates]
        is_clear = any(each.verdict in MARKS for each in compared)
        return -int(is_clear), -max(abs(each.difference or 0.0) for each in compared)

    return sorted(range(len(comparison.candidates[0].labels)), key=place)


def _columns(metric: str, names: Sequence[str], scale: float) -> Iterator[tuple[str, Head]]:
    short, meaning = METRIC_SPECS[metric].heading, METRIC_SPECS[metric].meaning
    first, *others = names
    classes = f"m {metric}"
    for name in names:
        yield classes, Head(name, f"{short} of {name}: {meaning}")
    for name in others:
        yield classes, Head(f"{name}: difference", f"{short} of {name} less that of {first}")
        drawn = f"the difference in its interval, from {-scale:.2g} to {scale:.2g}; the tick is 0"
        yield classes, Head(f"{name}: against 0", f"{drawn}; sorts by its size")


def _label_row(
    comparison: Comparison,
    i: int,
    scales: Mapping[str, float],
    places: Mapping[str, str],
    *,
    with_intervals: bool,
) -> str:
    """Return a row; end tags that HTML can do without are left out."""
    first, *others = (run.labels[i] for run in comparison.candidates)
    cells = [f"<td>{first.positives:,}"]
    for metric, scale in scales.items():
        cells += [
            f'<td class="m {metric}">'
            + _value(label.metrics[metric], metric, with_interval=with_intervals)
            for label in (first, *others)
        ]
        cells += [
            _difference(
                label.metrics[metric],
                metric,
                scale,
                with_interval=with_intervals,
                classes=f' class="m {metric}"',
            )
            for label in others
        ]
    clear = any(label.metrics[metric].verdict in MARKS for label in others for metric in scales)
    name = write_name(first.label, places, learnable=first.learnable)
    return f"\n<tr{' class=differs' if clear else ''}>{name}{''.join(cells)}"


def _value(compared: Compared, metric: str, *, with_interval: bool) -> str:
    if compared.value is None:
        return UNDEFINED
    interval = show_interval(compared.low, compared.high) if with_interval else ""
    digits = METRIC_SPECS[metric].digits
    return f"{compared.value:.{digits}f}" + (f"<small>{interval}</small>" if interval else "")


def _difference(
    compared: Compared, metric: str, scale: float, *, with_interval: bool, classes: str = ""
) -> str:
    """Return two cells: the difference with its mark, and its drawing."""
    if compared.difference is None:
        return f"<td{classes}>{UNDEFINED}<td{classes}>"
    digits = METRIC_SPECS[metric].digits
    text = show_signed(compared.difference, digits)
    mark = MARKS.get(compared.verdict or "", "")
    if mark:
        text += f' <abbr class="{compared.verdict}" title="{compared.verdict}">{mark}</abbr>'
    ends = _show_ends(compared, digits) if with_interval else ""
    if ends:
        text += f"<small>{ends}</small>"
    size = f'data-v="{abs(compared.difference):.4g}"'
    return f"<td{classes}>{text}<td{classes} {size}>{_bar(compared, scale)}"


def _show_ends(compared: Compared, digits: int) -> str:
    low, high = compared.difference_low, compared.difference_high
    if low is None or high is None:
        return ""
    return f"{show_signed(low, digits)} to {show_signed(high, digits)}"


def _bar(compared: Compared, scale: float) -> str:
    """Return a difference in its interval, against 0, as a drawing of any width."""
    role = ROLES[compared.verdict or "unclear"]
    low, high = compared.difference_low, compared.difference_high
    interval = ""
    if low is not None and high is not None:
        ends = f'x1="{_x(low, scale)}" x2="{_x(high, scale)}"'
        interval = f'<line class="{role}" {ends} y1="8" y2="8"/>'
    at = _x(compared.difference or 0.0, scale)
    return (
        '<svg class="bar" aria-hidden="true"><line class="grid" x1="2%" x2="98%" y1="8" y2="8"/>'
        f'<line class="chance" x1="50%" x2="50%" y1="2" y2="14"/>{interval}'
        f'<circle class="{role}" cx="{at}" cy="8" r="4"/></svg>'
    )


def _x(difference: float, scale: float) -> str:
    return f"{50 + REACH * difference / scale:.1f}%"


def _scale(compared: Iterable[Compared]) -> float:
    """Return how far from 0 the drawings of differences reach."""
    ends = [
        abs(end)
        for each in compared
        for end in (each.difference, each.difference_low, each.difference_high)
        if end is not None
    ]
    return max(ends, default=0.0) or 1.0
