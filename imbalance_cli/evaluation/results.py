"""An Evaluation: every number of the report, computed once, drawn elsewhere.

Shapes: N rows, L labels, R bootstrap replicates.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

from imbalance_cli.decisions.untuned import Untuned
from imbalance_cli.errors import number_of, show_percent
from imbalance_cli.html_table import html_interval, html_table
from imbalance_cli.metrics import DEFAULT_LEVELS, METRIC_SPECS, Levels

if TYPE_CHECKING:
    from collections.abc import Sequence

IN_A_NOTEBOOK = ("average_precision", "roc_auc", "f1", "precision", "recall", "ece")
"""The metrics of the table that a notebook shows."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """Where a metric lies, with the confidence of its evaluation."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A metric with its bootstrap interval; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class LabelEvaluation:
    """The numbers of one label; None where undefined.

    Attributes:
        label: its name.
        support: rows whose target is known.
        positives: of them.
        missing: rows whose target is not known.
        prevalence: the share of positives, of the weight where rows are weighted.
        learnable: whether training had both classes; else it is left out of all averages.
        threshold: the probability from which a row is decided positive; None where not learnable.
        metrics: by METRIC_SPECS; each is an attribute of its name, too.
        undefined: why a metric is None, by its name.
        untuned: what it would be at 0.5, and of the raw score.
        without_interval: why a metric that is defined has no interval, by its name.
        threshold_interval: of the threshold over draws of the rows that it was chosen on.
    """

    label: str
    support: int
    positives: int
    missing: int
    prevalence: float | None
    learnable: bool
    threshold: float | None
    metrics: dict[str, Estimate]
    undefined: dict[str, str]
    untuned: Untuned = dataclasses.field(default_factory=Untuned)
    without_interval: dict[str, str] = dataclasses.field(default_factory=dict)
    threshold_interval: Interval | None = None

    def __getattr__(self, name: str) -> Estimate:
        """Return a metric.

        Raises:
            AttributeError: there is none of that name.
        """
        try:
            found: Estimate = self.__dict__["metrics"][name]
        except KeyError:
            raise AttributeError(name) from None
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: numbers, and beside them their intervals."""
        facts = {name: getattr(self, name) for name in FACTS}
        if self.threshold_interval is not None:
            facts["threshold_interval"] = dataclasses.asdict(self.threshold_interval)
        numbers = {
            name: dataclasses.asdict(estimate) if name in WITH_INTERVAL else estimate.value
            for name, estimate in self.metrics.items()
        }
        intervals = {
            name: {"low": estimate.low, "high": estimate.high}
            for name, estimate in self.metrics.items()
            if estimate.low is not None
        }
        beside = {
            "intervals": intervals,
            "undefined": self.undefined,
            "without_interval": self.without_interval,
        }
        return facts | numbers | beside | dataclasses.asdict(self.untuned)

    def to_row(self) -> dict[str, Any]:
        """Return one flat mapping, for tables; intervals become _low and _high."""
        row = {name: getattr(self, name) for name in FACTS}
        for name, estimate in self.metrics.items():
            row |= {
                name: estimate.value,
                f"{name}_low": estimate.low,
                f"{name}_high": estimate.high,
            }
        return row | dataclasses.asdict(self.untuned)


LEAST_POSITIVES, LEAST_ROWS = 10, 10  # of a group, for its metrics, and for its rate
SLICED = ("average_precision", "recall", "ece")
"""The metrics of a group of rows, which are compared with those of the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SliceEvaluation:
    """The numbers of one label in one group of rows; None where undefined.

    Attributes:
        slice: the column whose groups these are.
        group: its value, or a range of values; None for the rows whose cell is missing.
        label: its name.
        rows: whose target is known.
        positives: of them.
        prevalence: the share of positives, of the weight where rows are weighted.
        decided: the share that is decided positive.
        metrics: by SLICED.
        undefined: why a number is None, by its name.
        others: what the rows of all other groups have, by its name: of the metrics that are
            compared with them, and the prevalence.
        differs: the metrics that differ from those of the others beyond chance.
    """

    slice: str
    group: str | None
    label: str
    rows: int
    positives: int
    prevalence: float | None
    decided: Estimate
    metrics: dict[str, Estimate]
    undefined: dict[str, str]
    others: dict[str, float] = dataclasses.field(default_factory=dict)
    differs: list[str] = dataclasses.field(default_factory=list)

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The metrics and the rate of positive decisions."""
        return self.metrics | {"decided": self.decided}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        document = dataclasses.asdict(self)
        metrics: dict[str, Any] = document.pop("metrics")
        return document | metrics

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> SliceEvaluation:
        """Return what `to_dict` was asked of."""
        found = {name: Estimate(**document.pop(name)) for name in (*SLICED, "decided")}
        return cls(decided=found.pop("decided"), metrics=found, **document)

    def to_row(self) -> dict[str, Any]:
        """Return one flat mapping with the columns of a label, and `slice` and `group`."""
        row: dict[str, Any] = {"label": self.label, "support": self.rows}
        row |= {"positives": self.positives, "prevalence": self.prevalence}
        for name, estimate in self.estimates.items():
            row |= {
                name: estimate.value,
                f"{name}_low": estimate.low,
                f"{name}_high": estimate.high,
            }
        return row | {"slice": self.slice, "group": self.group, "differs": " ".join(self.differs)}


@dataclasses.dataclass(frozen=True)
class Slices:
    """How a model does on groups of rows.

    Attributes:
        looks: how many metrics of groups were compared with those of the others.
        groups: a label of a group each: column after column, group after group.
    """

    looks: int
    groups: list[SliceEvaluation]


WITH_INTERVAL = ("average_precision", "roc_auc")
"""Those that are an object {value, low, high} in JSON, where the others are numbers."""
INTERVALS = ("macro_intervals", "micro_intervals", "weighted_intervals", "multilabel_intervals")
AVERAGES = ("macro", "macro_labels", "micro", "weighted_average", "multilabel")
REASONS = ("undefined", "without_interval")
BOOTSTRAP = ("resampled", "confidence", "replicates")
KEYS = ("source", "rows", "labels", *AVERAGES, *INTERVALS, *REASONS, *BOOTSTRAP)
"""What an evaluation is as plain data, before its levels."""
FACTS = ("label", "support", "positives", "missing", "prevalence", "learnable", "threshold")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Averages:
    """The numbers of all learnable labels together; None where undefined.

    Attributes:
        macro: the mean of each metric over the labels where it is defined.
        macro_labels: over how many labels each of these means is.
        micro: each metric over all cells of the labels together.
        weighted_average: the mean of each metric over the same labels as macro, each weighted by
            its positives.
        multilabel: metrics of whole rows; empty where there is one label.
        undefined: why a metric of `multilabel` or `micro` is None, as multilabel.NAME.
        macro_intervals: of the means that have one.
        micro_intervals: of the metrics over all cells that have one.
        weighted_intervals: of the means weighted by positives that have one.
        multilabel_intervals: of the metrics of whole rows that have one.
        without_interval: why a metric that is defined has no interval, as macro.NAME.
    """

    macro: dict[str, float | None]
    macro_labels: dict[str, int]
    micro: dict[str, float | None]
    weighted_average: dict[str, float | None]
    multilabel: dict[str, float | None]
    undefined: dict[str, str]
    macro_intervals: dict[str, Interval] = dataclasses.field(default_factory=dict)
    micro_intervals: dict[str, Interval] = dataclasses.field(default_factory=dict)
    weighted_intervals: dict[str, Interval] = dataclasses.field(default_factory=dict)
    multilabel_intervals: dict[str, Interval] = dataclasses.field(default_factory=dict)
    without_interval: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation(Averages):
    """All numbers of one part.

    Attributes:
        part: test, or valid where a run has no test part.
        source: what the rows were read from.
        rows: N.
        labels: one entry a label.
        confidence: of the intervals.
        replicates: R.
        levels: where the metrics of a budget or a demand were taken.
        weighted: whether rows count by sample weights; support and positives are rows all the same.
        resampled: what replicates drew: rows, or whole groups of them.
        drift: how the rows differ from those of training, where that was looked at.
        slices: of groups of rows, where these were asked for.
    """

    part: str
    source: str
    rows: int
    labels: list[LabelEvaluation]
    confidence: float
    replicates: int
    levels: Levels = DEFAULT_LEVELS
    weighted: bool = False
    resampled: Literal["rows", "groups"] = "rows"
    drift: dict[str, Any] | None = None
    slices: Slices | None = None

    def with_threshold_intervals(self, intervals: Sequence[Sequence[float]]) -> Evaluation:
        """Return the same with the ends of the interval of each label's threshold, (L, 2)."""
        labels = [
            dataclasses.replace(
                label, threshold_interval=Interval(*ends) if label.learnable else None
            )
            for label, ends in zip(self.labels, intervals, strict=True)
        ]
        return dataclasses.replace(self, labels=labels)

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain data, undefined numbers as None."""
        document = {name: getattr(self, name) for name in KEYS}
        document["labels"] = [label.to_dict() for label in self.labels]
        for name in INTERVALS:
            ends = document[name].items()
            document[name] = {metric: dataclasses.asdict(interval) for metric, interval in ends}
        levels = dataclasses.asdict(self.levels)
        document |= levels | {"weighted": self.weighted, "drift": self.drift}
        if self.slices is not None:
            groups = [group.to_dict() for group in self.slices.groups]
            document["slices"] = {"looks": self.slices.looks, "groups": groups}
        return document

    def flat_rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping a label, for tables."""
        return [label.to_row() for label in self.labels]

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows, each metric with its interval below it."""
        specs = [METRIC_SPECS[name] for name in IN_A_NOTEBOOK]
        heads = {"Label": "", "Positives": ""}
        heads |= {spec.heading: spec.meaning for spec in specs} | {"Threshold": ""}
        part = "validation" if self.part == "valid" else self.part
        confidence = show_percent(self.confidence)
        return html_table(
            f"{number_of(self.rows, f'{part} row')}; {confidence} intervals",
            heads,
            [
                [
                    label.label,
                    f"{label.positives:,}",
                    *(_show(label.metrics[spec.name], spec.digits) for spec in specs),
                    "" if label.threshold is None else f"{label.threshold:.3g}",
                ]
                for label in self.labels
            ],
        )


def _show(estimate: Estimate, digits: int) -> str:
    return html_interval(estimate.value, estimate.low, estimate.high, digits)


def finite(number: float) -> float | None:
    """Return a number, or None for NaN and infinity, which no report has."""
    return number if math.isfinite(number) else None
