"""An Evaluation: every number of the report, computed once, drawn elsewhere.

Shapes: N rows, L labels, R bootstrap replicates.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import torch

from imbalance_cli.metrics import (
    Confusion,
    Ranking,
    average_precision,
    brier,
    expected_calibration_error,
    log_loss,
    macro,
    roc_auc,
    simplify_weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RANKED = {"average_precision": average_precision, "roc_auc": roc_auc}
"""The metrics of the ranking alone, which get an interval."""
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
class LabelEvaluation:
    """The numbers of one label; None where undefined.

    Attributes:
        label: its name.
        support: rows whose target is known.
        positives: of them.
        prevalence: their share, of the weight where rows are weighted.
        learnable: whether training had both classes; else it is left out of macro averages.
        threshold: the probability from which a row is decided positive; None where not learnable.
    """

    label: str
    support: int
    positives: int
    prevalence: float | None
    learnable: bool
    threshold: float | None
    average_precision: Estimate
    roc_auc: Estimate
    precision: float | None
    recall: float | None
    f1: float | None
    mcc: float | None
    balanced_accuracy: float | None
    brier: float | None
    log_loss: float | None
    ece: float | None


AVERAGED = (
    "average_precision",
    "roc_auc",
    "precision",
    "recall",
    "f1",
    "mcc",
    "balanced_accuracy",
    "brier",
    "log_loss",
    "ece",
)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """All numbers of one part.

    Attributes:
        part: test, or valid where a run has no test part.
        source: what the rows were read from.
        rows: N.
        labels: one entry a label.
        macro: the mean of each metric over learnable labels where it is defined.
        micro: each metric over all cells of learnable labels together.
        confidence: of the intervals.
        replicates: R.
        weighted: whether rows count by sample weights; support and positives are rows all the same.
    """

    part: str
    source: str
    rows: int
    labels: list[LabelEvaluation]
    macro: dict[str, float | None]
    micro: dict[str, float | None]
    confidence: float
    replicates: int
    weighted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain data, undefined numbers as None."""
        return {
            "source": self.source,
            "rows": self.rows,
            "labels": [dataclasses.asdict(label) for label in self.labels],
            "macro": self.macro,
            "micro": self.micro,
            "confidence": self.confidence,
            "replicates": self.replicates,
            "weighted": self.weighted,
        }

    def flat_rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping a label, for tables; intervals become _low and _high."""
        rows = []
        for label in self.labels:
            row: dict[str, Any] = {}
            for key, value in dataclasses.asdict(label).items():
                if isinstance(value, dict):
                    row |= {key: value["value"]}
                    row |= {f"{key}_low": value["low"], f"{key}_high": value["high"]}
                else:
                    row[key] = value
            rows.append(row)
        return rows


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
        weights: (N,) of the rows, as of the metrics; rows of weight 0 are left out, and counts of
            rows stay counts of the others.
    """
    weights, (probabilities, targets) = simplify_weights(weights, probabilities, targets)
    ranking = Ranking.of(probabilities, targets, weights)
    confusion = Confusion.of(probabilities >= thresholds, targets, weights)
    intervals = bootstrap_intervals(ranking, RANKED, resampling)
    point = _point_estimates(ranking, confusion, probabilities, targets, weights)
    support = (~targets.isnan()).sum(dim=0).tolist()
    positives = (targets == 1).sum(dim=0).tolist()
    share = confusion.prevalence()
    entries = []
    for i, label in enumerate(labels):
        values: dict[str, Any] = {name: _number(point[name][i]) for name in AVERAGED}
        for name, (low, high) in intervals.items():
            values[name] = Estimate(values[name], _number(low[i]), _number(high[i]))
        if not learnable[i]:  # its scores are a constant, and say nothing
            values = dict.fromkeys(AVERAGED) | dict.fromkeys(intervals, Estimate(None))
        entries.append(
            LabelEvaluation(
                label=label,
                support=support[i],
                positives=positives[i],
                prevalence=_number(share[i]),
                learnable=learnable[i],
                threshold=float(thresholds[i]) if learnable[i] else None,
                **values,
            )
        )
    kept = torch.tensor(list(learnable), device=probabilities.device)
    return Evaluation(
        part=part,
        source=source,
        rows=len(targets),
        labels=entries,
        macro={name: macro(point[name][kept]) for name in AVERAGED},
        micro=_micro(probabilities[:, kept], targets[:, kept], thresholds[kept], weights),
        confidence=resampling.confidence,
        replicates=resampling.replicates,
        weighted=weights is not None,
    )


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
) -> dict[str, torch.Tensor]:
    """Return each metric of AVERAGED, (L,), NaN where undefined."""
    return {name: statistic(ranking) for name, statistic in RANKED.items()} | {
        "precision": confusion.precision(),
        "recall": confusion.recall(),
        "f1": confusion.f_beta(),
        "mcc": confusion.mcc(),
        "balanced_accuracy": confusion.balanced_accuracy(),
        "brier": brier(probabilities, targets, weights),
        "log_loss": log_loss(probabilities, targets, weights),
        "ece": expected_calibration_error(probabilities, targets, weights=weights),
    }


def _micro(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    thresholds: torch.Tensor,
    weights: torch.Tensor | None,
) -> dict[str, float | None]:
    cells, known = probabilities.reshape(-1, 1), targets.reshape(-1, 1)
    of_cells = None if weights is None else weights.repeat_interleave(targets.shape[1])
    confusion = Confusion.of(probabilities >= thresholds, targets, weights).total()
    values = _point_estimates(Ranking.of(cells, known, of_cells), confusion, cells, known, of_cells)
    return {name: _number(values[name][0]) for name in AVERAGED}


def _number(value: torch.Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
