"""Candidates, and a Comparison of them: every number of it, computed once, drawn elsewhere.

Shapes: N rows, L labels, R bootstrap replicates.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from imbalance_cli.comparison.verdicts import Verdict
    from imbalance_cli.evaluation import Estimate, Interval


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


Kind = Literal["candidate", "run", "size"]
FACTS = ("name", "loss", "strategy", "sampler", "seconds", "still_improving", "is_yardstick")
"""What a document says of a candidate beside its numbers."""
SHARED = ("rows", "baseline", "confidence", "replicates", "resampled", "folds", "metrics")
"""What it says of the comparison beside its candidates."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way of training: what it predicts for rows it was not trained on, and how well.

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
        intervals: (L + 1,) of its metrics by name, macro last, where they are known already; None
            resamples them.
        training_positives: (L,) that a fold learned from, on average; None where all candidates
            learned from as many.
        macro: its metrics over the learnable labels of both classes; filled in by the comparison.
        labels: its metrics per label; filled in by the comparison.
    """

    name: str
    loss: str
    strategy: str | None
    sampler: str | None
    probabilities: torch.Tensor = dataclasses.field(repr=False, compare=False)
    decisions: torch.Tensor = dataclasses.field(repr=False, compare=False)
    seconds: float | None = None
    still_improving: bool = False
    is_yardstick: bool = False
    intervals: Sequence[Mapping[str, Interval | Estimate]] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )
    training_positives: list[float] | None = None
    macro: dict[str, Compared] = dataclasses.field(default_factory=dict)
    labels: list[LabelComparison] = dataclasses.field(default_factory=list)

    @property
    def positives(self) -> float | None:
        """The training positives of all labels that were learned; None where not counted."""
        if self.training_positives is None:
            return None
        pairs = zip(self.training_positives, self.labels, strict=True)
        return sum(count for count, label in pairs if label.learnable)

    def select(self, rows: torch.Tensor) -> Candidate:
        """Return the candidate with its predictions for some rows, by their numbers."""
        return dataclasses.replace(
            self, probabilities=self.probabilities[rows], decisions=self.decisions[rows]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate as plain data, without its predictions."""
        learned = {"training_positives": self.training_positives}
        return {
            **{name: getattr(self, name) for name in FACTS},
            **(learned if self.training_positives is not None else {}),
            "macro": {name: dataclasses.asdict(found) for name, found in self.macro.items()},
            "labels": [dataclasses.asdict(label) for label in self.labels],
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All numbers of a comparison, and what they say.

    Attributes:
        kind: what the candidates are.
        part: which rows they predict: test, valid or out_of_fold.
        source: what the rows were read from.
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

    kind: Kind
    part: str
    source: str
    rows: int
    baseline: str
    confidence: float
    replicates: int
    resampled: Literal["rows", "groups"]
    folds: int | None
    metrics: tuple[str, ...]
    candidates: list[Candidate]
    conclusions: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, undefined numbers as None."""
        document = {name: getattr(self, name) for name in SHARED}
        candidates = [candidate.to_dict() for candidate in self.candidates]
        if self.kind != "run":
            return document | {"candidates": candidates, "conclusions": self.conclusions}
        document = {"source": self.source, "part": self.part, **document}
        del document["folds"]
        runs = [
            {"run": run["name"], **{key: run[key] for key in ("loss", "macro", "labels")}}
            for run in candidates
        ]
        return document | {"runs": runs, "conclusions": self.conclusions}

    def flat_rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping a candidate, scope and metric, for tables."""
        rows = []
        for candidate in self.candidates:
            learned: Sequence[float | None] = candidate.training_positives or [None] * len(
                candidate.labels
            )
            of_labels = [
                ("label", entry.label, entry.metrics, positives)
                for entry, positives in zip(candidate.labels, learned, strict=True)
            ]
            whole = ("macro", None, candidate.macro, candidate.positives)
            for scope, label, metrics, positives in [whole, *of_labels]:
                last = {} if positives is None else {"training_positives": positives}
                for metric, compared in metrics.items():
                    place = {self.kind: candidate.name, "scope": scope, "label": label}
                    rows.append(place | {"metric": metric} | dataclasses.asdict(compared) | last)
        return rows
