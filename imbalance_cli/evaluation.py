"""An Evaluation: every number of the report, computed once, drawn elsewhere.

Shapes: N rows, L labels, R bootstrap replicates.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import torch

from imbalance_cli.errors import EvaluationError
from imbalance_cli.metrics import (
    Confusion,
    MultilabelSums,
    Ranking,
    average_precision,
    brier,
    brier_skill,
    expected_calibration_error,
    lift,
    log_loss,
    macro,
    precision_at_k,
    recall_at_precision,
    roc_auc,
    simplify_weights,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RANKED = {"average_precision": average_precision, "roc_auc": roc_auc}
"""The metrics that get an interval."""
LEAST_FOR_INTERVAL = 2  # positives, and negatives; resampling one row says nothing


@dataclasses.dataclass(frozen=True)
class Resampling:
    """How intervals are made.

    Attributes:
        replicates: R, of the stratified bootstrap; 0 for point estimates only.
        confidence: of the percentile intervals.
        seed: of the bootstrap.
    """

    replicates: int = 200
    confidence: float = 0.95
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A metric with its bootstrap interval; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Levels:
    """Where the metrics of a budget or a demand are taken.

    Attributes:
        top_k: how many rows precision_at_k is of.
        at_precision: the precision that recall_at_precision asks for.
    """

    top_k: int = 100
    at_precision: float = 0.5


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
        undefined: why a metric is None, by its name.
    """

    label: str
    support: int
    positives: int
    missing: int
    prevalence: float | None
    learnable: bool
    threshold: float | None
    average_precision: Estimate
    roc_auc: Estimate
    precision: Estimate
    recall: Estimate
    specificity: Estimate
    f1: Estimate
    f2: Estimate
    mcc: Estimate
    balanced_accuracy: Estimate
    brier: Estimate
    brier_skill: Estimate
    log_loss: Estimate
    ece: Estimate
    precision_at_k: Estimate
    recall_at_precision: Estimate
    lift_at_1_percent: Estimate
    undefined: dict[str, str]

    def estimates(self) -> dict[str, Estimate]:
        """Return the estimate of each of METRICS."""
        return {name: getattr(self, name) for name in METRICS}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: numbers, and beside them their intervals."""
        estimates = self.estimates()
        facts = {name: getattr(self, name) for name in FACTS}
        numbers = {
            name: dataclasses.asdict(estimate) if name in WITH_INTERVAL else estimate.value
            for name, estimate in estimates.items()
        }
        intervals = {
            name: {"low": estimate.low, "high": estimate.high}
            for name, estimate in estimates.items()
            if estimate.low is not None
        }
        return facts | numbers | {"intervals": intervals, "undefined": self.undefined}

    def to_row(self) -> dict[str, Any]:
        """Return one flat mapping, for tables; intervals become _low and _high."""
        row = {name: getattr(self, name) for name in FACTS}
        for name, estimate in self.estimates().items():
            row |= {
                name: estimate.value,
                f"{name}_low": estimate.low,
                f"{name}_high": estimate.high,
            }
        return row


METRICS = (
    "average_precision",
    "roc_auc",
    "precision",
    "recall",
    "specificity",
    "f1",
    "f2",
    "mcc",
    "balanced_accuracy",
    "brier",
    "brier_skill",
    "log_loss",
    "ece",
    "precision_at_k",
    "recall_at_precision",
    "lift_at_1_percent",
)
"""Of each label, in the order of every report."""
WITH_INTERVAL = ("average_precision", "roc_auc")
"""Those that are an object {value, low, high} in JSON, where the others are numbers."""
FACTS = ("label", "support", "positives", "missing", "prevalence", "learnable", "threshold")
TOP_SHARE = 0.01  # of lift_at_1_percent


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """All numbers of one part.

    Attributes:
        part: test, or valid where a run has no test part.
        source: what the rows were read from.
        rows: N.
        labels: one entry a label.
        macro: the mean of each metric over learnable labels where it is defined.
        macro_labels: over how many labels each of these means is.
        micro: each metric over all cells of learnable labels together.
        weighted_average: the mean of each metric over the same labels as macro, each weighted by
            its positives.
        multilabel: metrics of whole rows over learnable labels, as MultilabelSums has them; empty
            where there is one label.
        undefined: why a metric of `multilabel` or `micro` is None, as multilabel.NAME.
        confidence: of the intervals.
        replicates: R.
        levels: where the metrics of a budget or a demand were taken.
        weighted: whether rows count by sample weights; support and positives are rows all the same.
    """

    part: str
    source: str
    rows: int
    labels: list[LabelEvaluation]
    macro: dict[str, float | None]
    macro_labels: dict[str, int]
    micro: dict[str, float | None]
    weighted_average: dict[str, float | None]
    multilabel: dict[str, float | None]
    undefined: dict[str, str]
    confidence: float
    replicates: int
    levels: Levels = Levels()
    weighted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain data, undefined numbers as None."""
        return {
            "source": self.source,
            "rows": self.rows,
            "labels": [label.to_dict() for label in self.labels],
            "macro": self.macro,
            "macro_labels": self.macro_labels,
            "micro": self.micro,
            "weighted_average": self.weighted_average,
            "multilabel": self.multilabel,
            "undefined": self.undefined,
            "confidence": self.confidence,
            "replicates": self.replicates,
            "top_k": self.levels.top_k,
            "at_precision": self.levels.at_precision,
            "weighted": self.weighted,
        }

    def flat_rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping a label, for tables."""
        return [label.to_row() for label in self.labels]


def evaluate_scores(  # noqa: PLR0913  what was said, of which rows, and how to report it
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    thresholds: torch.Tensor,
    labels: Sequence[str],
    *,
    part: str,
    source: str,
    learnable: Sequence[bool],
    resampling: Resampling,
    levels: Levels = Levels(),
    weights: torch.Tensor | None = None,
) -> Evaluation:
    """Compute every number of a report.

    Args:
        probabilities: (N, L).
        targets: (N, L), NaN where missing.
        thresholds: (L,).
        labels: the names, (L,).
        part: what the rows are: test or valid.
        source: what they were read from.
        learnable: whether each label had both classes in training, (L,).
        resampling: how intervals are made.
        levels: where the metrics of a budget or a demand are taken.
        weights: (N,) of the rows, as of the metrics; rows of weight 0 are left out, and counts of
            rows stay counts of the others.

    Raises:
        EvaluationError: the shapes differ, or a prediction is no probability.
    """
    weights, (probabilities, targets) = simplify_weights(weights, probabilities, targets)
    _check(probabilities, targets, labels, source)
    ranking = Ranking.of(probabilities, targets, weights)
    confusion = Confusion.of(probabilities >= thresholds, targets, weights)
    intervals = bootstrap_intervals(ranking, RANKED, resampling)
    point = _point_estimates(ranking, confusion, probabilities, targets, weights, levels)
    support = (~targets.isnan()).sum(dim=0).tolist()
    positives = (targets == 1).sum(dim=0).tolist()
    share = confusion.prevalence()
    entries = []
    for i, label in enumerate(labels):
        facts = Facts(
            support[i], positives[i], bool(confusion.decided()[i]), learnable[i], levels.top_k
        )
        values = {
            name: Estimate(_number(point[name][i]) if learnable[i] else None) for name in METRICS
        }
        for name, (low, high) in intervals.items():
            if learnable[i]:  # else its scores are a constant, and say nothing
                values[name] = Estimate(values[name].value, _number(low[i]), _number(high[i]))
        entries.append(
            LabelEvaluation(
                label=label,
                support=support[i],
                positives=positives[i],
                missing=len(targets) - support[i],
                prevalence=_number(share[i]),
                learnable=learnable[i],
                threshold=float(thresholds[i]) if learnable[i] else None,
                undefined={
                    name: facts.explain(name) for name in METRICS if values[name].value is None
                },
                **values,
            )
        )
    kept = torch.tensor(list(learnable), dtype=torch.bool, device=probabilities.device)
    of_kept = probabilities[:, kept], targets[:, kept], thresholds[kept]
    micro, missing_micro = _micro(*of_kept, weights, levels)
    multilabel, missing_rows = _multilabel(*of_kept, weights) if len(labels) > 1 else ({}, {})
    found = confusion.true_positives + confusion.false_negatives
    return Evaluation(
        part=part,
        source=source,
        rows=len(targets),
        labels=entries,
        macro={name: macro(point[name][kept]) for name in METRICS},
        macro_labels={name: int((~point[name][kept].isnan()).sum()) for name in METRICS},
        micro=micro,
        weighted_average={name: weighted_mean(point[name][kept], found[kept]) for name in METRICS},
        multilabel=multilabel,
        undefined=missing_micro | missing_rows,
        confidence=resampling.confidence,
        replicates=resampling.replicates,
        levels=levels,
        weighted=weights is not None,
    )


def _check(
    probabilities: torch.Tensor, targets: torch.Tensor, labels: Sequence[str], source: str
) -> None:
    if probabilities.shape != targets.shape or targets.shape[1:] != (len(labels),):
        raise EvaluationError(
            f"{source}: predictions of shape {tuple(probabilities.shape)} for targets of shape "
            f"{tuple(targets.shape)} and {len(labels)} labels",
            hint="predictions and labels of the same rows, one column a label",
        )
    wrong = ~((probabilities >= 0) & (probabilities <= 1))
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        raise EvaluationError(
            f"{source}: row {row + 1} predicts {float(probabilities[row, column]):g} for label "
            f"{labels[column]!r}, which is no probability",
            hint="numbers from 0 to 1",
        )


@dataclasses.dataclass(frozen=True)
class Facts:
    """What decides whether a metric of a label is defined.

    Attributes:
        support: rows whose target is known.
        positives: of them.
        is_decided: whether any is decided positive.
        learnable: whether training had both classes.
        top_k: rows that precision_at_k is of.
    """

    support: int
    positives: int
    is_decided: bool
    learnable: bool
    top_k: int

    def explain(self, metric: str) -> str:
        """Return why a metric is undefined, as a short clause."""
        if not self.learnable:
            return "one class in training"
        if not self.support:
            return "no known target"
        if metric == "precision_at_k":
            return f"fewer than {self.top_k:,} rows"
        if metric == "precision" and not self.is_decided:
            return "no row decided positive"
        return "no positives" if not self.positives else "no negatives"


def bootstrap_intervals(
    ranking: Ranking,
    statistics: Mapping[str, Callable[[Ranking], torch.Tensor]],
    resampling: Resampling,
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the percentile interval of each statistic, (L,) low and high.

    Positives and negatives of a label are resampled apart, so that every replicate has as many of
    each as the data; a replicate reweights the one sort of the rows. Weighted rows are drawn as
    often as others, each with its weight. NaN where there are too few.
    """
    is_positive, is_negative = (ranking.positives > 0).double(), (ranking.negatives > 0).double()
    positives, negatives = is_positive.sum(dim=1), is_negative.sum(dim=1)
    enough = (torch.minimum(positives, negatives) >= LEAST_FOR_INTERVAL) & (
        resampling.replicates > 0
    )
    undefined = torch.full_like(positives, torch.nan)
    if not enough.any():
        return dict.fromkeys(statistics, (undefined, undefined))
    # positives first, then negatives, then missing: row j of a class is drawn by its slot
    slots = (2 * is_positive + is_negative).argsort(dim=1, descending=True, stable=True)
    random = torch.Generator(ranking.scores.device).manual_seed(resampling.seed)
    draws: dict[str, list[torch.Tensor]] = {name: [] for name in statistics}
    for _ in range(resampling.replicates):
        drawn = ranking.reweighted(_resample(slots, positives, negatives, random))
        for name, statistic in statistics.items():
            draws[name].append(statistic(drawn))
    tail = (1 - resampling.confidence) / 2
    quantiles = torch.tensor([tail, 1 - tail], dtype=torch.float64, device=positives.device)
    intervals = {}
    for name, values in draws.items():
        low, high = torch.stack(values).quantile(quantiles, dim=0)
        intervals[name] = (low.where(enough, undefined), high.where(enough, undefined))
    return intervals


def _resample(
    slots: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, random: torch.Generator
) -> torch.Tensor:
    """Return how often each row was drawn, (L, N) in ranking order."""
    index = torch.arange(slots.shape[1], device=slots.device)
    uniform = torch.rand(slots.shape, generator=random, dtype=torch.float64, device=slots.device)
    from_positives = index < positives[:, None]
    slot = torch.where(
        from_positives,
        uniform * positives[:, None],
        positives[:, None] + uniform * negatives[:, None],
    ).long()
    known = (index < (positives + negatives)[:, None]).double()
    counts = torch.zeros_like(uniform).scatter_add_(1, slot.clamp(max=slots.shape[1] - 1), known)
    return torch.zeros_like(uniform).scatter_(1, slots, counts)


def _point_estimates(
    ranking: Ranking,
    confusion: Confusion,
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None,
    levels: Levels,
) -> dict[str, torch.Tensor]:
    """Return each of METRICS, (L,), NaN where undefined."""
    of_cells = probabilities, targets, weights
    return {
        "average_precision": average_precision(ranking),
        "roc_auc": roc_auc(ranking),
        "precision": confusion.precision(),
        "recall": confusion.recall(),
        "specificity": confusion.specificity(),
        "f1": confusion.f_beta(),
        "f2": confusion.f_beta(2.0),
        "mcc": confusion.mcc(),
        "balanced_accuracy": confusion.balanced_accuracy(),
        "brier": brier(*of_cells),
        "brier_skill": brier_skill(*of_cells),
        "log_loss": log_loss(*of_cells),
        "ece": expected_calibration_error(probabilities, targets, weights=weights, debias=True),
        "precision_at_k": precision_at_k(ranking, levels.top_k),
        "recall_at_precision": recall_at_precision(ranking, levels.at_precision),
        "lift_at_1_percent": lift(ranking, TOP_SHARE),
    }


def _micro(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    thresholds: torch.Tensor,
    weights: torch.Tensor | None,
    levels: Levels,
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return each metric over all cells, and why some are None."""
    cells, known = probabilities.reshape(-1, 1), targets.reshape(-1, 1)
    of_cells = None if weights is None else weights.repeat_interleave(targets.shape[1])
    confusion = Confusion.of(probabilities >= thresholds, targets, weights).total()
    ranking = Ranking.of(cells, known, of_cells)
    values = _point_estimates(ranking, confusion, cells, known, of_cells, levels)
    numbers = {name: _number(values[name][0]) for name in METRICS}
    facts = Facts(
        int((~targets.isnan()).sum()),
        int((targets == 1).sum()),
        bool(confusion.decided()),
        targets.shape[1] > 0,
        levels.top_k,
    )
    reasons = {f"micro.{name}": facts.explain(name) for name in METRICS if numbers[name] is None}
    return numbers, reasons


def _multilabel(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    thresholds: torch.Tensor,
    weights: torch.Tensor | None,
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return each metric of whole rows, and why some are None."""
    sums = MultilabelSums.of(probabilities, probabilities >= thresholds, targets, weights)
    numbers = {name: _number(value) for name, value in sums.values().items()}
    reasons = {
        f"multilabel.{name}": "no row with a positive, true or decided"
        if name == "samples_f1" and float(sums.rows)
        else "no known target"
        for name, number in numbers.items()
        if number is None
    }
    return numbers, reasons


def _number(value: torch.Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
