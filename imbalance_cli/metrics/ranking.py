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

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-12  # of a precision that is compared with the one asked for


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
        """Sort scores (N, L) with targets (N, L), rows weighted by (N,).

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
        return ranking if weights is None else ranking.reweighted(weights.double()[order])

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


def precision_at_k(ranking: Ranking, k: int) -> torch.Tensor:
    """Return (L,): the share of positives among the k rows of highest score; NaN where fewer rows.

    k counts known rows, whatever they weigh, as a budget of rows to look at does; the share is one
    of their weight. Of a run of equal scores that k divides, it is the expectation over the order
    of its rows.
    """
    mass = ranking.positives + ranking.negatives
    counted = (mass > 0).double()
    positives, all_of_them = _within(ranking, counted, counted.new_full((len(mass),), float(k)))
    enough = counted.sum(dim=1) >= k
    return (positives / all_of_them).where(enough, torch.nan)


def lift(ranking: Ranking, share: float) -> torch.Tensor:
    """Return (L,): the prevalence in a share of the rows of highest score, over that of all.

    The share is one of the weight; a row, or a run of equal scores, that it divides counts in part.
    """
    mass = ranking.positives + ranking.negatives
    positives, top = _within(ranking, mass, share * mass.sum(dim=1))
    return (positives / top) / (ranking.positives.sum(dim=1) / mass.sum(dim=1))


def recall_at_precision(ranking: Ranking, precision: float) -> torch.Tensor:
    """Return (L,): the highest recall of a threshold with at least such a precision; 0 if of none.

    As the maximum over scikit-learn's precision_recall_curve, which ends at recall 0 and precision
    1, where nothing is decided positive: 0 says that no threshold reaches the precision. NaN
    without positives.
    """
    true = ranking.positives.cumsum(dim=1).gather(1, ranking.last)
    found = true + ranking.negatives.cumsum(dim=1).gather(1, ranking.last)
    reached = true >= precision * found * (1 - ROUNDING)
    best = torch.nn.functional.pad(true.where(reached, 0.0), (1, 0)).amax(dim=1)
    return best / ranking.positives.sum(dim=1)


def _within(
    ranking: Ranking, measure: torch.Tensor, amount: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (L,) the positives and the whole weight in the first rows that measure an amount.

    Args:
        ranking: of the rows.
        measure: (L, N) of each row, 0 where its target is missing.
        amount: (L,) of the measure; a run of equal scores that it divides counts in part.
    """
    if not measure.shape[1]:
        return torch.full_like(amount, torch.nan), torch.full_like(amount, torch.nan)
    reached = measure.cumsum(dim=1)
    amount = torch.minimum(amount, reached[:, -1])[:, None]
    at = torch.searchsorted(reached, amount).clamp(max=measure.shape[1] - 1)
    first, last = ranking.first.gather(1, at), ranking.last.gather(1, at)

    def before_and_through(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sums = torch.nn.functional.pad(values.cumsum(dim=1), (1, 0))
        return sums.gather(1, first), sums.gather(1, last + 1)

    start, end = before_and_through(measure)
    share = (amount - start) / (end - start)
    sides = []
    for values in (ranking.positives, ranking.positives + ranking.negatives):
        before, through = before_and_through(values)
        sides.append((before + share * (through - before))[:, 0])
    return sides[0], sides[1]
