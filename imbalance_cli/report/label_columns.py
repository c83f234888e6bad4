"""The columns of the report on a terminal: as many as there is room for."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from imbalance_cli.errors import show_percent
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.bars import WIDTH, BarScale, draw_bar
from imbalance_cli.report.ordering import PREVALENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.text import Text

    from imbalance_cli.evaluation import Estimate, LabelEvaluation

UNDEFINED = "-"
LARGE = 100  # from which a number is shown without digits


@dataclasses.dataclass(frozen=True)
class TerminalColumn:
    """A column of the table of labels.

    Attributes:
        heading: at most two lines.
        cell: of a label.
        metric: whose averages stand below; none where it has no average.
        is_bar: whether it is drawn, and so stands left in its column.
    """

    heading: str
    cell: Callable[[LabelEvaluation], Text | str]
    metric: str | None = None
    is_bar: bool = False

    def average(self, values: Mapping[str, float | None]) -> str:
        """Return an average as a cell."""
        return "" if self.metric is None else show_number(values[self.metric])

    def width(self, labels: Sequence[LabelEvaluation]) -> int:
        """Return how many characters it needs."""
        cells = [len(self.cell(label)) for label in labels]
        return max([*map(len, self.heading.split("\n")), *cells])


def show_number(value: float | None) -> str:
    """Return a metric with three digits after the point."""
    if value is None:
        return UNDEFINED
    return f"{value:.3f}" if abs(value) < LARGE else f"{value:,.0f}"


def show_interval(estimate: Estimate) -> str:
    """Return both ends of an interval."""
    if estimate.low is None or estimate.high is None:
        return UNDEFINED
    return f"{estimate.low:.2f}-{estimate.high:.2f}"


def _metric(name: str) -> TerminalColumn:
    heading = METRIC_SPECS[name].column
    return TerminalColumn(heading, lambda label: show_number(label.metrics[name].value), name)


def _threshold(label: LabelEvaluation) -> str:
    return UNDEFINED if label.threshold is None else f"{label.threshold:.3g}"


def _prevalence(label: LabelEvaluation) -> str:
    return UNDEFINED if label.prevalence is None else show_percent(label.prevalence)


PLAIN_COLUMNS = {
    "positives": TerminalColumn("pos.", lambda label: f"{label.positives:,}"),
    "support": TerminalColumn("rows", lambda label: f"{label.support:,}"),
    "missing": TerminalColumn("miss.", lambda label: f"{label.missing:,}"),
    "prevalence": TerminalColumn("prev.", _prevalence),
    "bar": TerminalColumn("┊ no skill", lambda _: " " * WIDTH, is_bar=True),
    "interval": TerminalColumn("interval", lambda label: show_interval(label.average_precision)),
    "threshold": TerminalColumn("thresh", _threshold),
}
"""Those that are no metrics; that of bars is yet to be drawn."""

ORDER = (
    *("positives", "support", "missing", "prevalence", "average_precision", "bar", "interval"),
    *("roc_auc", "f1", "precision", "recall", "threshold", "ece", "mcc", "brier_skill"),
    *("specificity", "f2", "balanced_accuracy", "precision_at_k", "recall_at_precision"),
    *("lift_at_1_percent", "log_loss", "brier"),
)
"""The order in which columns stand, after the label; other metrics follow."""


def list_columns() -> dict[str, TerminalColumn]:
    """Return all columns, in the order in which they stand."""
    metrics = {name: _metric(name) for name in METRIC_SPECS}
    columns = PLAIN_COLUMNS | metrics
    return {name: columns[name] for name in dict.fromkeys([*ORDER, *metrics])}


BASE = (
    *("average_precision", "positives", "f1", "precision", "recall", "bar", "roc_auc", "threshold"),
    "ece",
)
"""The columns that fit beside a label on 80 characters, the most important first."""

MORE = (
    *("interval", "prevalence", "mcc", "brier_skill", "specificity", "f2", "balanced_accuracy"),
    *("log_loss", "brier", "precision_at_k", "recall_at_precision", "lift_at_1_percent"),
    *("support", "missing"),
)
"""Those that wider terminals have, the most important first."""


def choose_columns(
    labels: Sequence[LabelEvaluation], room: int, sort: str
) -> dict[str, TerminalColumn]:
    """Return the columns that fit beside each other, in the order in which they stand.

    Args:
        labels: that are shown.
        room: characters, a blank before each column among them.
        sort: what the labels are sorted by, which is shown if at all possible.
    """
    taken = set()
    columns = list_columns()
    for name in _by_importance(labels, sort):
        needed = columns[name].width(labels) + 1
        if needed > room:
            break
        taken.add(name)
        room -= needed
    bar = functools.partial(draw_bar, scale=BarScale.of(labels))
    drawn = columns | {"bar": dataclasses.replace(columns["bar"], cell=bar)}
    return {name: column for name, column in drawn.items() if name in taken}


def room_for_names(labels: Sequence[LabelEvaluation], room: int, sort: str) -> int:
    """Return how many characters the columns of every report leave for the names of labels."""
    names = dict.fromkeys([*_shown_first(sort), *BASE])
    columns = list_columns()
    return room - sum(columns[name].width(labels) + 1 for name in names)


def _shown_first(sort: str) -> list[str]:
    return [sort] if sort in PLAIN_COLUMNS | METRIC_SPECS and sort != PREVALENCE else []


def _by_importance(labels: Sequence[LabelEvaluation], sort: str) -> list[str]:
    has_missing = any(label.missing for label in labels)
    names = dict.fromkeys([*_shown_first(sort), *BASE, *MORE, *METRIC_SPECS])
    return [name for name in names if name != "missing" or has_missing]
