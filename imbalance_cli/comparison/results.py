"""What is compared, and a Comparison: every number of it, computed once, drawn elsewhere.

Shapes: N rows, L labels, R bootstrap replicates.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

    from imbalance_cli.comparison.verdicts import Verdict


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way of training, and what it said of rows it was not trained on.

    Attributes:
        name: what it is called.
        loss: the name of its loss.
        strategy: the strategy of its weights; None where it takes none.
        sampler: how its batches were drawn; None where it draws none.
        probabilities: (N, L) float64, calibrated, out of fold.
        decisions: (N, L) bool, at thresholds that were chosen on other folds.
        seconds: of processor time that training took; None where that is not known.
        still_improving: whether training ended before it had stopped improving.
        is_yardstick: whether it is there to measure the networks by, and no model to choose.
    """

    name: str
    loss: str
    strategy: str | None
    sampler: str | None
    probabilities: torch.Tensor
    decisions: torch.Tensor
    seconds: float | None = None
    still_improving: bool = False
    is_yardstick: bool = False

    def select(self, rows: torch.Tensor) -> Candidate:
        """Return the candidate with what it said of some rows, by their numbers."""
        return dataclasses.replace(
            self, probabilities=self.probabilities[rows], decisions=self.decisions[rows]
        )


@dataclasses.dataclass(frozen=True)
class Compared:
    """A metric of one candidate and its paired difference to the baseline; None where undefined.

    Attributes:
        value: the metric.
        low: end of its interval.
        high: the other end.
        difference: its value less the baseline's; None for the baseline itself.
        difference_low: end of the interval of the difference.
        difference_high: the other end.
        verdict: better or worse only where the difference is more standard errors from zero than
            the number of comparisons explains, and both had stopped improving when training ended;
            None where there is no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: Verdict | None


@dataclasses.dataclass(frozen=True)
class LabelComparison:
    """The metrics of one candidate for one label.

    Attributes:
        label: its name.
        support: rows whose target is known.
        positives: of them.
        learnable: whether training had both classes; else there are no numbers.
        metrics: by name, those of `compared_metrics`.
    """

    label: str
    support: int
    positives: int
    learnable: bool
    metrics: dict[str, Compared]


@dataclasses.dataclass(frozen=True)
class CandidateComparison:
    """All numbers of one candidate; macro is the mean over learnable labels of both classes."""

    name: str
    loss: str
    strategy: str | None
    sampler: str | None
    seconds: float | None
    still_improving: bool
    is_yardstick: bool
    macro: dict[str, Compared]
    labels: list[LabelComparison]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All numbers of a comparison, and what they say.

    Attributes:
        rows: N.
        baseline: the name of the candidate that the others are compared with.
        confidence: of the intervals.
        replicates: R.
        resampled: what was drawn with replacement.
        folds: K, each a training of its own; None for one training.
        metrics: the names of the metrics.
        candidates: in the order given.
        conclusions: plain sentences.
    """

    rows: int
    baseline: str
    confidence: float
    replicates: int
    resampled: Literal["rows", "groups"]
    folds: int | None
    metrics: tuple[str, ...]
    candidates: list[CandidateComparison]
    conclusions: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, undefined numbers as None."""
        return dataclasses.asdict(self)

    def flat_rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping a candidate, scope and metric, for tables."""
        rows = []
        for candidate in self.candidates:
            labels = [("label", entry.label, entry.metrics) for entry in candidate.labels]
            for scope, label, metrics in [("macro", None, candidate.macro), *labels]:
                for metric, compared in metrics.items():
                    place = {"candidate": candidate.name, "scope": scope, "label": label}
                    rows.append(place | {"metric": metric} | dataclasses.asdict(compared))
        return rows
