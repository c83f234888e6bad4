"""An explanation: every number of it, computed once, drawn elsewhere. None is undefined."""

from __future__ import annotations

import dataclasses
from typing import Any

from imbalance_cli.errors import number_of, show_percent
from imbalance_cli.html_table import html_interval, html_table
from imbalance_cli.metrics import METRIC_SPECS

METRICS = ("average_precision", "log_loss")
"""Of which columns are worth so much."""
DIGITS = 4  # of those in a notebook


@dataclasses.dataclass(frozen=True)
class Loss:
    """How much worse a metric is when columns are shuffled; below 0 it is better.

    Attributes:
        value: average precision less that of the shuffled rows, or the log loss of the shuffled
            rows less the log loss.
        low: end of its interval.
        high: the other end.
        is_real: whether it is more than chance, given how many are looked at; None where there is
            no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    is_real: bool | None


@dataclasses.dataclass(frozen=True)
class Importance:
    """What the model loses without columns, which are shuffled together.

    Attributes:
        columns: one, or several that are correlated.
        macro: the mean over labels, by metric.
        labels: by label and metric.
    """

    columns: list[str]
    macro: dict[str, Loss]
    labels: dict[str, dict[str, Loss]]


@dataclasses.dataclass(frozen=True)
class Point:
    """A value of a column, and what the model says of the rows when all have it.

    Attributes:
        value: as it is written; None where the cell is missing.
        share: of the rows that have it; of numbers those from this value up to the next.
        probabilities: means over rows, by label.
    """

    value: str | None
    share: float
    probabilities: dict[str, float]


@dataclasses.dataclass(frozen=True)
class ColumnDependence:
    """The probabilities as a column changes and all others stay (partial dependence).

    Attributes:
        column: its name.
        is_ordered: whether its values are numbers or dates, which are in order.
        points: its values.
    """

    column: str
    is_ordered: bool
    points: list[Point]


@dataclasses.dataclass(frozen=True)
class Contribution:
    """How far columns move the log-odds of one row.

    Attributes:
        columns: one, or several that are correlated.
        values: what the row has there; None where the cell is missing.
        log_odds: by how much, above 0 toward positive.
        standard_error: of that, by the rows that it is averaged over; None of one row.
    """

    columns: list[str]
    values: list[str | None]
    log_odds: float
    standard_error: float | None


@dataclasses.dataclass(frozen=True)
class ExplainedRow:
    """Why one row has its probability.

    Attributes:
        row: its number, from 0.
        label: of which.
        probability: of the row.
        log_odds: of the row.
        usual: the mean log-odds of the rows that it is compared with.
        contributions: the strongest first; they add up to `log_odds` less `usual`.
    """

    row: int
    label: str
    probability: float
    log_odds: float
    usual: float
    contributions: list[Contribution]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a run's answers rest on.

    Attributes:
        run: its directory.
        source: what the rows were read from.
        part: test, where they are the run's own; else None.
        rows: how many were used.
        rows_read: how many there were.
        labels: those that are explained, (L,).
        metrics: of these rows as they are, by label and metric.
        repeats: how often columns were shuffled.
        confidence: of the intervals.
        importance: of columns, the most important first.
        dependence: on the most important columns.
        explained: rows that were asked for.
        remarks: what the numbers should be read with.
    """

    run: str
    source: str
    part: str | None
    rows: int
    rows_read: int
    labels: list[str]
    metrics: dict[str, dict[str, float | None]]
    repeats: int
    confidence: float
    importance: list[Importance]
    dependence: list[ColumnDependence]
    explained: list[ExplainedRow]
    remarks: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the rows asked for, and what is lost without columns."""
        importance = [self._draw_importance()] if self.importance else []
        return "".join([*map(_draw_row, self.explained), *importance])

    def _draw_importance(self) -> str:
        specs = [METRIC_SPECS[metric] for metric in METRICS]
        verbs = ("lost", "added")
        heads = {"Shuffled": ""}
        heads |= {
            f"{spec.heading} {verb}": spec.meaning for spec, verb in zip(specs, verbs, strict=True)
        }
        losses = [[each.macro[spec.name] for spec in specs] for each in self.importance]
        row = f"{self.part} row" if self.part else "row"
        return html_table(
            f"{number_of(self.rows, row)}, columns shuffled "
            f"{number_of(self.repeats, 'time')}; {show_percent(self.confidence)} intervals",
            heads,
            [
                [
                    " + ".join(each.columns),
                    *(html_interval(loss.value, loss.low, loss.high, DIGITS) for loss in lost),
                ]
                for each, lost in zip(self.importance, losses, strict=True)
            ],
        )

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Explanation:
        """Return what `to_dict` was made of."""

        def losses(of_metrics: dict[str, Any]) -> dict[str, Loss]:
            return {metric: Loss(**loss) for metric, loss in of_metrics.items()}

        importance = [
            Importance(
                each["columns"],
                losses(each["macro"]),
                {label: losses(own) for label, own in each["labels"].items()},
            )
            for each in document["importance"]
        ]
        dependence = [
            ColumnDependence(**each | {"points": [Point(**point) for point in each["points"]]})
            for each in document["dependence"]
        ]
        explained = [
            ExplainedRow(
                **row | {"contributions": [Contribution(**each) for each in row["contributions"]]}
            )
            for row in document["explained"]
        ]
        found = {"importance": importance, "dependence": dependence, "explained": explained}
        return cls(**document | found)


def _draw_row(row: ExplainedRow) -> str:
    named = [
        [
            f"{column} = {'(missing)' if value is None else value}"
            for column, value in zip(each.columns, each.values, strict=True)
        ]
        for each in row.contributions
    ]
    return html_table(
        f"row {row.row}, {row.label}: probability {show_percent(row.probability)}, log-odds "
        f"{row.log_odds:+.2f}; mean log-odds of other rows {row.usual:+.2f}",
        {"Column": "", "Log-odds": "how far it moves them, above 0 toward positive"},
        [
            [", ".join(names), f"{each.log_odds:+.3f}"]
            for names, each in zip(named, row.contributions, strict=True)
        ],
    )
