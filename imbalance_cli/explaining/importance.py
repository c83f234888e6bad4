"""Permutation importance: what a model loses when columns are shuffled among the rows.

Shapes: N rows, L labels, M metrics, R bootstrap replicates. The mean over labels is column L.

Breiman (2001), Random Forests; columns that are correlated are shuffled together, since shuffling
one of them alone would say that neither matters.
"""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.comparison.bootstrap import RankedRows
from imbalance_cli.comparison.comparing import ROUNDING, spread
from imbalance_cli.comparison.verdicts import standard_errors
from imbalance_cli.evaluation import UnitDraws
from imbalance_cli.explaining.columns import take_rows
from imbalance_cli.explaining.results import METRICS, Importance, Loss
from imbalance_cli.metrics import lower_is_better
from imbalance_cli.progress import follow, tell_nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.comparison.bootstrap import Sample
    from imbalance_cli.evaluation import Resampling
    from imbalance_cli.explaining.columns import ColumnGroup
    from imbalance_cli.features import FeatureRows
    from imbalance_cli.progress import Tell

    Score = Callable[[FeatureRows], NDArray[np.float64]]


@dataclasses.dataclass(frozen=True)
class _Values:
    """Metrics of some probabilities.

    Attributes:
        points: (M, L + 1) on all rows.
        draws: (R, M, L + 1) of the replicates.
    """

    points: torch.Tensor
    draws: torch.Tensor


def measure_importance(
    score: Score,
    rows: FeatureRows,
    groups: Sequence[ColumnGroup],
    sample: Sample,
    labels: Sequence[str],
    *,
    resampling: Resampling,
    repeats: int,
    tell: Tell = tell_nobody,
) -> tuple[dict[str, dict[str, float | None]], list[Importance]]:
    """Return the metrics of the rows as they are, and what is lost without each group of columns.

    Intervals are those of a paired bootstrap over rows, widened by how much the shufflings differ.

    Args:
        score: returns probabilities (N, L) of rows.
        rows: N.
        groups: of columns that are shuffled together.
        sample: the targets, and what is drawn of them.
        labels: the names, (L,).
        resampling: how intervals are made.
        repeats: how often each group is shuffled.
        tell: receives the progress.
    """
    units = sample.drawn_units(resampling)
    drawn = UnitDraws(units, resampling)

    def values_of(changed: FeatureRows) -> _Values:
        return _measure(torch.from_numpy(score(changed)), sample, drawn)

    own = values_of(rows)
    random = np.random.default_rng(resampling.seed)
    orders = [random.permutation(len(rows.numeric)) for _ in range(repeats)]
    limit = standard_errors(len(groups) * max(int(sample.kept.sum()), 1))
    found = []
    for group in follow(groups, tell, "shuffling", lambda g: len(g.columns), unit="columns"):
        shuffled = [values_of(group.mix(rows, take_rows(rows, order))) for order in orders]
        losses = _losses(own, shuffled, limit, resampling.confidence)
        by_label = dict(zip(labels, losses[:-1], strict=True))
        found.append(Importance(group.columns, losses[-1], by_label))
    columns = own.points.T.tolist()
    metrics = {
        label: {m: x if math.isfinite(x) else None for m, x in zip(METRICS, column, strict=True)}
        for label, column in zip(labels, columns, strict=False)
    }
    return metrics, sorted(found, key=_log_loss_of, reverse=True)


def _log_loss_of(importance: Importance) -> float:
    """Return what it is sorted by, which is defined wherever anything is."""
    return importance.macro["log_loss"].value or 0.0


def _measure(probabilities: torch.Tensor, sample: Sample, drawn: UnitDraws) -> _Values:
    """Return the metrics of probabilities (N, L)."""
    replicates, units = drawn.resampling.replicates, drawn.units
    width = len(sample.kept) + 1
    points = torch.full((len(METRICS), width), torch.nan, dtype=torch.float64)
    draws = torch.full((replicates, len(METRICS), width), torch.nan, dtype=torch.float64)
    for label in sample.kept.nonzero()[:, 0].tolist():
        y, own = sample.targets[:, label], sample.of_label(label).weights
        ranked = RankedRows.of(probabilities[:, label], y, units, own, METRICS)
        rows = ranked.rows
        points[:, label] = ranked.metrics(rows.itself())[:, 0]
        if sample.enough[label] and replicates:
            replicated = [ranked.metrics(rows.sum(counts)) for counts in drawn.counts(len(rows))]
            draws[:, :, label] = torch.cat(replicated, dim=1).T
    points[:, -1] = points[:, :-1][:, sample.kept].mean(dim=1)
    draws[:, :, -1] = draws[:, :, :-1][:, :, sample.kept].nanmean(dim=2)
    return _Values(points, draws)


def _losses(
    own: _Values, shuffled: Sequence[_Values], limit: float, confidence: float
) -> list[dict[str, Loss]]:
    """Return what is lost by metric, of each label and of their mean last."""
    signs = torch.tensor([-1.0 if lower_is_better(name) else 1.0 for name in METRICS])[:, None]
    each = signs * (own.points - torch.stack([values.points for values in shuffled]))
    value = each.mean(dim=0)
    value = value.where(value.abs() > ROUNDING, 0.0 * value)
    paired = own.draws - torch.stack([values.draws for values in shuffled]).mean(dim=0)
    of_rows = spread(paired)
    of_orders = each.var(dim=0) / len(shuffled) if len(shuffled) > 1 else torch.zeros_like(value)
    error = (of_rows**2 + of_orders).sqrt()
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    numbers = torch.stack([value, value - reach, value + reach, value - limit * error], dim=-1)
    return [
        {name: _loss(*numbers[m, j].tolist()) for m, name in enumerate(METRICS)}
        for j in range(value.shape[1])
    ]


def _loss(value: float, low: float, high: float, least: float) -> Loss:
    if math.isnan(value):
        return Loss(None, None, None, None)
    return Loss(value, None, None, None) if math.isnan(low) else Loss(value, low, high, least > 0)
