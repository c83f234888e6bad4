"""Metrics of how the rows are ordered, all labels at once, from one sort a label.

Shapes: N rows, L labels. Scores and targets of a ranking are (L, N): each label is a contiguous
row that is sorted by falling score. A missing target (NaN) has weight 0.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics.bands import argsort
from imbalance_cli.metrics.checks import check_shapes
from imbalance_cli.metrics.weights import as_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The targets of each label, sorted by falling score, with the runs of equal scores.

    Attributes:
        scores: (L, N) falling.
        positives: (L, N) weight of the row where its target is 1, else 0.
        negatives: (L, N) weight of the row where its target is 0, else 0.
        first: (L, N) where the row's run of equal scores begins.
        last: (L, N) where it ends.
        order: (L, N) the row's number before it was sorted; of equal scores in any order.
    """

    scores: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor
    order: torch.Tensor

    @classmethod
    def of(
        cls, scores: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> Ranking:
        """Sort scores (N, L) with targets (N, L), weighted by (N,) or (N, L).

        Raises:
            EvaluationError: the shapes differ.
        """
        check_shapes(scores, targets, weights)
        keys = scores.double().T.contiguous()
        order = argsort(-keys)
        falling = keys.gather(1, order)
        ordered = targets.T.gather(1, order)
        rows = falling.shape[1]
        index = torch.arange(rows, device=scores.device).expand_as(falling)
        changes = torch.ones_like(falling, dtype=torch.bool)
        changes[:, 1:] = falling[:, 1:] != falling[:, :-1]
        first = torch.where(changes, index, 0).cummax(dim=1).values
        ends = torch.ones_like(changes)
        ends[:, :-1] = changes[:, 1:]
        last = torch.where(ends, index, rows).flip(1).cummin(dim=1).values.flip(1)
        positives, negatives = (ordered == 1).double(), (ordered == 0).double()
        ranking = cls(falling, positives, negatives, first, last, order)
        if weights is None:
            return ranking
        own = as_columns(weights.double()).T.expand_as(order)
        return ranking.reweighted(own.gather(1, order))

    def reweighted(self, weights: torch.Tensor) -> Ranking:
        """Return the same ranking with rows weighted by (L, N) in sorted order."""
        return dataclasses.replace(
            self, positives=self.positives * weights, negatives=self.negatives * weights
        )


def average_precision(ranking: Ranking) -> torch.Tensor:
    """Return (L,): the mean precision at each positive, as scikit-learn's average_precision_score.

    Rows of equal score count together: the precision at a positive is the one at the end of its
    run.
    """
    true = ranking.positives.cumsum(dim=1)
    found = true + ranking.negatives.cumsum(dim=1)
    precision = (true / found.clamp(min=torch.finfo(found.dtype).tiny)).gather(1, ranking.last)
    return (ranking.positives * precision).sum(dim=1) / ranking.positives.sum(dim=1)


def average_precision_of(
    scores: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return `average_precision` of scores (N, L) with targets (N, L), (L,).

    On the CPU, where all rows count alike, the scores are sorted without their targets: the rank of
    a positive is what a search in them finds. Numpy does that some thirty times faster.
    """
    if weights is not None or scores.device.type != "cpu":
        return average_precision(Ranking.of(scores, targets, weights))
    columns = zip(-scores.T.contiguous().numpy(), targets.T.contiguous().numpy(), strict=True)
    means = [_mean_precision(keys, cells) for keys, cells in columns]
    return torch.tensor(means, dtype=torch.float64)


def _mean_precision(keys: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return the mean precision at the positives of one label, (N,) each, by rising keys."""
    positives = np.sort(keys[targets == 1])
    if not len(positives):
        return math.nan
    ranked = np.sort(keys if not np.isnan(targets).any() else keys[~np.isnan(targets)])
    true = np.searchsorted(positives, positives, side="right")
    return float((true / np.searchsorted(ranked, positives, side="right")).mean())


def roc_auc(ranking: Ranking) -> torch.Tensor:
    """Return (L,): the chance that a positive scores above a negative, ties counting half.

    As scikit-learn's roc_auc_score.
    """
    negatives = ranking.negatives.cumsum(dim=1)
    through = negatives.gather(1, ranking.last)
    before = (negatives - ranking.negatives).gather(1, ranking.first)
    total = ranking.negatives.sum(dim=1)
    above = (total[:, None] - through) + (through - before) / 2
    pairs = ranking.positives.sum(dim=1) * total
    return (ranking.positives * above).sum(dim=1) / pairs
