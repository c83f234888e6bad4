"""Tables of several runs in a page: values, paired differences, and these drawn against 0."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from imbalance_cli.metrics import METRIC_SPECS, compared_metrics
from imbalance_cli.report.comparison import MARKS, RANKING, show_signed
from imbalance_cli.report.label_table import MOST_AT_ONCE, Column, write_breakable, write_name
from imbalance_cli.report.names import show_name
from imbalance_cli.report.wording import UNDEFINED, show_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imbalance_cli.comparison import Compared, Comparison
    from imbalance_cli.report.contents import RunsReport

ROLES = {"better": "model", "worse": "positive", "unclear": "chance"}
OF_MANY = (RANKING, "f1")  # the metrics of a table of so many labels that it is paged
HEADING = 40  # letters of the name of a run in the head of a column
MIDDLE, REACH = 68, 62  # of a drawing 136 wide: where 0 lies, and how far it goes on either side


@dataclasses.dataclass(frozen=True)
class Scope:
    """A metric over all labels: its rows are a run each, written already."""

    name: str
    meaning: str
    rows: Markup


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
    columns: list[tuple[str, Column]]
    body: Markup
    is_paged: bool


def write_averages(report: RunsReport) -> list[Scope]:
    """Return each metric over all labels: the macro average of each run, and micro beside it."""
    return [
        Scope(
            METRIC_SPECS[metric].heading,
            METRIC_SPECS[metric].meaning,
            Markup("".join(_average_rows(report, metric))),  # noqa: S704  escaped there
        )
        for metric in compared_metrics()
    ]


def write_differences(report: RunsReport, places: Mapping[str, str]) -> DifferenceTable:
    """Return the table of all labels, those that differ most first.

    Args:
        report: of the runs.
        places: where in the page a label has figures, by its name.
    """
    comparison = report.comparison
    order = rank_labels(comparison)
    is_paged = len(order) > MOST_AT_ONCE
    metrics = OF_MANY if is_paged else compared_metrics()
    scales = {
        metric: _scale(
            run.labels[i].metrics[metric] for run in comparison.candidates for i in order
        )
        for metric in metrics
    }
    body = "".join(
        _label_row(comparison, i, scales, places, with_intervals=not is_paged) for i in order
    )
    names = [show_name(run.name, HEADING) for run in report.runs]
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


def _columns(metric: str, names: Sequence[str], scale: float) -> Iterator[tuple[str, Column]]:
    short, meaning = METRIC_SPECS[metric].heading, METRIC_SPECS[metric].meaning
    first, *others = names
    classes = f"m {metric}"
    for name in names:
        yield classes, Column(name, f"{short} of {name}: {meaning}")
    for name in others:
        yield classes, Column(f"{name}: difference", f"{short} of {name} less that of {first}")
        drawn = f"the difference in its interval, from {-scale:.2g} to {scale:.2g}; the tick is 0"
        yield classes, Column(f"{name}: against 0", f"{drawn}; sorts by its size")


def _average_rows(report: RunsReport, metric: str) -> Iterator[str]:
    """Yield a row a run: macro, its difference, micro, its difference."""
    scopes = [[run.macro[metric] for run in report.comparison.candidates]]
    if report.micro is not None:
        scopes.append([run.labels[0].metrics[metric] for run in report.micro.candidates])
    scale = _scale(compared for scope in scopes for compared in scope)
    for run, values in zip(report.runs, zip(*scopes, strict=True), strict=True):
        is_first = run.name == report.runs[0].name
        cells = "".join(
            f"<td>{_value(compared, metric, with_interval=True)}"
            + (
                f'<td>{UNDEFINED}<td class="scale">{_show_scale(scale)}'
                if is_first
                else _difference(compared, metric, scale, with_interval=True)
            )
            for compared in values
        )
        name = write_breakable(show_name(run.name, HEADING))
        yield f'\n<tr><th scope="row" title="{escape(run.path)}">{name}{cells}'


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
    low, high = compared.difference_low, compared.difference_high
    text = show_signed(compared.difference, digits)
    mark = MARKS.get(compared.verdict or "", "")
    if mark:
        text += f' <abbr class="{compared.verdict}" title="{compared.verdict}">{mark}</abbr>'
    if with_interval and low is not None and high is not None:
        ends = f"{show_signed(low, digits)} to {show_signed(high, digits)}"
        text += f"<small>{ends}</small>"
    size = f'data-v="{abs(compared.difference):.4g}"'
    return f"<td{classes}>{text}<td{classes} {size}>{_bar(compared, scale)}"


def _bar(compared: Compared, scale: float) -> str:
    """Return a difference in its interval, against 0, as a small drawing."""
    role = ROLES[compared.verdict or "unclear"]
    low, high = compared.difference_low, compared.difference_high
    interval = ""
    if low is not None and high is not None:
        interval = f'<path class="{role}" d="M{_x(low, scale)} 8H{_x(high, scale)}"/>'
    at = _x(compared.difference or 0.0, scale)
    return (
        '<svg class="bar" viewBox="0 0 136 16" aria-hidden="true">'
        f'<path class="grid" d="M4 8H132"/><path class="chance" d="M{MIDDLE} 2V14"/>{interval}'
        f'<circle class="{role}" cx="{at}" cy="8" r="4"/></svg>'
    )


def _x(difference: float, scale: float) -> str:
    return f"{MIDDLE + REACH * difference / scale:.1f}"


def _scale(compared: Iterable[Compared]) -> float:
    """Return how far from 0 the drawings of differences reach."""
    ends = [
        abs(end)
        for each in compared
        for end in (each.difference, each.difference_low, each.difference_high)
        if end is not None
    ]
    return max(ends, default=0.0) or 1.0


def _show_scale(scale: float) -> str:
    return f"<span><i>-{scale:.2g}</i> <i>0</i> <i>{scale:.2g}</i></span>"
