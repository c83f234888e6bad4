"""What a run's answers rest on, as text, CSV and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import escape_name, number_of, show_percent
from imbalance_cli.explaining.results import METRICS
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.encoding import encode_document, encode_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from imbalance_cli.explaining.results import (
        ColumnDependence,
        Contribution,
        ExplainedRow,
        Explanation,
        Importance,
        Loss,
        Point,
    )

MOST_COLUMNS = 20  # groups of columns on a terminal
MOST_DEPENDENCES = 3  # columns whose values are shown
MOST_OF_A_ROW = 10  # contributions
MOST_OF_A_LABEL = 3  # columns named for each label
MOST_TOGETHER = 5  # columns that are named in one line
DIGITS = 4
MISSING = "(missing)"


def to_json(explanation: Explanation) -> bytes:
    """Return the whole explanation."""
    return encode_document(explanation.to_dict())


def to_csv(explanation: Explanation) -> bytes:
    """Return a row per group of columns, label and metric; the mean of all labels is blank."""
    return encode_rows(
        [
            {"columns": "; ".join(each.columns), "label": label, "metric": metric}
            | {name: getattr(losses[metric], name) for name in ("value", "low", "high", "is_real")}
            for each in explanation.importance
            for label, losses in (("", each.macro), *each.labels.items())
            for metric in METRICS
        ]
    )


def draw_explanation(explanation: Explanation) -> Group:
    """Return what is lost without columns, how the strongest act, and the rows asked for."""
    lines: list[RenderableType] = [
        Text(_describe_rows(explanation), style="bold"),
        Text(_describe_metrics(explanation)),
        Text(),
        _draw_importance(explanation),
        *map(Text, _summarise(explanation)),
    ]
    if len(explanation.labels) > 1:
        lines += [Text(), *_list_labels(explanation)]
    for dependence in explanation.dependence[:MOST_DEPENDENCES]:
        lines += [Text(), *_draw_dependence(dependence, explanation.labels)]
    for row in explanation.explained:
        lines += [Text(), *_draw_row(row)]
    lines.append(Text())
    lines += [Text(line, style="dim") for line in _legend(explanation)]
    return Group(*lines)


def _describe_rows(explanation: Explanation) -> str:
    rows = number_of(explanation.rows, f"{explanation.part or ''} row".strip())
    return f"{rows} of {escape_name(explanation.source)}"


def _describe_metrics(explanation: Explanation) -> str:
    """Return the metrics of the rows as they are; of several labels their means."""
    shown = []
    for metric in METRICS:
        known = [
            value
            for of_label in explanation.metrics.values()
            if (value := of_label[metric]) is not None
        ]
        name = METRIC_SPECS[metric].heading
        shown.append(f"{name} {sum(known) / len(known):.4f}" if known else f"{name} undefined")
    mean = f", means of {len(explanation.labels)} labels" if len(explanation.labels) > 1 else ""
    return f"as they are: {', '.join(shown)}{mean}"


def write_explanation(explanation: Explanation) -> dict[str, Any]:
    """Return what the page shows: a table of columns, and folded ones of values and rows."""
    tables = [
        (
            _heading(dependence),
            ["value", "rows", *explanation.labels],
            [(_show(p.value), _shares(p, explanation.labels)) for p in dependence.points],
        )
        for dependence in explanation.dependence
    ]
    tables += [
        (
            _describe_row(row),
            ["column", "log-odds"],
            [(_cells(each), [f"{each.log_odds:+.3f}"]) for each in row.contributions],
        )
        for row in explanation.explained
    ]
    return {
        "lead": f"{_describe_rows(explanation)}, {_describe_metrics(explanation)}. "
        f"{'; '.join(_summarise(explanation, most=len(explanation.importance)))}.",
        "headings": _headings(explanation),
        "rows": [
            (
                _name(each),
                [show_loss(each.macro[metric]) for metric in METRICS],
                "yes" if _is_real(each) else "no",
            )
            for each in explanation.importance
        ],
        "notes": list(_legend(explanation)),
        "tables": tables,
    }


def _draw_importance(explanation: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("shuffled", overflow="fold")
    for heading in _headings(explanation):
        table.add_column(Text(heading), justify="right")
    for each in explanation.importance[:MOST_COLUMNS]:
        losses = [show_loss(each.macro[metric]) for metric in METRICS]
        star, style = ("*", "") if _is_real(each) else ("", "dim")
        table.add_row(f"{_name(each)}{star}", *map(Text, losses), style=style)
    return table


def _headings(explanation: Explanation) -> list[str]:
    share = show_percent(explanation.confidence)
    verbs = zip(METRICS, ("lost", "added"), strict=True)
    return [f"{METRIC_SPECS[metric].heading} {verb} [{share}]" for metric, verb in verbs]


def _is_real(importance: Importance) -> bool:
    return any(loss.is_real for loss in importance.macro.values())


def show_loss(loss: Loss) -> str:
    """Return "0.1034 [0.0811, 0.1257]", or "undefined"."""
    if loss.value is None:
        return "undefined"
    if loss.low is None or loss.high is None:
        return _show_number(loss.value)
    ends = f"{_show_number(loss.low)}, {_show_number(loss.high)}"
    return f"{_show_number(loss.value)} [{ends}]"


def _show_number(value: float) -> str:
    return f"{round(value, DIGITS) + 0.0:.{DIGITS}f}"  # 0 has no minus


def _name(importance: Importance) -> str:
    return escape_name(" + ".join(importance.columns))


def _summarise(explanation: Explanation, most: int = MOST_COLUMNS) -> Iterator[str]:
    """Yield how many columns matter beyond chance, and how many are not shown."""
    every = explanation.importance
    real = [each for each in every if _is_real(each)]
    verb = "matters" if len(real) <= 1 else "matter"
    yield (
        f"{len(real) or 'none'} of {len(every)} {verb} more than chance explains (*), allowing for "
        "how many were looked at; sorted by log loss"
    )
    if len(every) > most:
        yield f"{len(every) - most:,} more are in --format csv and json"


def _list_labels(explanation: Explanation) -> Iterator[Text]:
    """Yield the columns that matter most for each label."""
    for label in explanation.labels:
        found = [
            (each.labels[label]["log_loss"].value or 0.0, each)
            for each in explanation.importance
            if each.labels[label]["log_loss"].is_real
        ]
        found.sort(key=lambda pair: -pair[0])
        named = [f"{_name(each)} {loss:.4f}" for loss, each in found[:MOST_OF_A_LABEL]]
        shown = ", ".join(named) or "none more than chance explains"
        yield Text(f"log loss of {escape_name(label)}: {shown}")


def _draw_dependence(dependence: ColumnDependence, labels: list[str]) -> Iterator[RenderableType]:
    """Yield the probabilities at the values of a column; of several labels of the first ones."""
    yield Text(_heading(dependence), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("value", overflow="fold")
    table.add_column("rows", justify="right")
    shown = labels[:MOST_OF_A_LABEL]
    for label in shown:
        name = "probability" if len(labels) == 1 else escape_name(label)
        table.add_column(name, justify="right")
    for point in dependence.points:
        table.add_row(_show(point.value), *_shares(point, shown))
    yield table


def _heading(dependence: ColumnDependence) -> str:
    return f"if all rows had this {escape_name(dependence.column)}"


def _show(value: str | None) -> str:
    return MISSING if value is None else escape_name(value)


def _shares(point: Point, labels: list[str]) -> list[str]:
    """Return the share of rows with a value, and the probability of each label there."""
    return [
        show_percent(point.share),
        *(show_percent(point.probabilities[label]) for label in labels),
    ]


def _draw_row(row: ExplainedRow) -> Iterator[RenderableType]:
    """Yield why a row has its probability."""
    yield Text(_describe_row(row), style="bold")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for each in row.contributions[:MOST_OF_A_ROW]:
        table.add_row(_cells(each), f"{each.log_odds:+.3f}")
    rest = row.contributions[MOST_OF_A_ROW:]
    if rest:
        total = sum(each.log_odds for each in rest)
        table.add_row(f"{number_of(len(rest), 'other')} together", f"{total:+.3f}")
    yield table


def _describe_row(row: ExplainedRow) -> str:
    return (
        f"row {row.row}, {escape_name(row.label)}: probability {show_percent(row.probability)}, "
        f"log-odds {row.log_odds:+.2f}; mean log-odds of other rows {row.usual:+.2f}"
    )


def _cells(contribution: Contribution) -> str:
    if len(contribution.columns) > MOST_TOGETHER:
        return f"{len(contribution.columns):,} other columns"
    pairs = zip(contribution.columns, contribution.values, strict=True)
    return ", ".join(f"{escape_name(column)} = {_show(value)}" for column, value in pairs)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _legend(explanation: Explanation) -> Iterator[str]:
    """Yield how to read it."""
    yield (
        f"A column is shuffled among the rows {_times(explanation.repeats)}; columns "
        "that are correlated (a + b) together. What the model loses is what it needs them for."
    )
    if explanation.dependence:
        yield (
            "rows: the share with this value; for numbers, from this value up to the next. "
            "probability: the mean if every row had this value and kept its other columns."
        )
    if len(explanation.labels) > MOST_OF_A_LABEL and explanation.dependence:
        yield (
            f"These tables show {MOST_OF_A_LABEL} of {len(explanation.labels)} labels; the page "
            "and --format json have all."
        )
    if explanation.explained:
        yield (
            "Of a row: how far each column moves its log-odds away from the mean of other rows, up "
            "(+) or down (Shapley values, sampled). Together they are the whole difference."
        )
    yield "The model relies on these columns; that does not say that they cause anything."
    yield from explanation.remarks
