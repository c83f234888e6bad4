"""The thresholds of labels.

Shapes: N rows, L labels. A row is decided positive where its probability is at least the
threshold.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.decisions.costs import least_cost_threshold
from imbalance_cli.decisions.thresholds.objectives import Cuts, cut_at_share
from imbalance_cli.decisions.thresholds.pool import ScorePool
from imbalance_cli.metrics import Confusion, Ranking, simplify_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import ThresholdsSection

LEAST_SUPPORT = 2  # rows that a searched threshold decides positive


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """The thresholds, and on how much they rest.

    Attributes:
        values: (L,) float64.
        positives: (L,) how many of the validation rows are positives, whatever their weight.
        shrinkage: (L,) float64, how much of the choice is that of all labels together, 0 to 1.
        reached: (L,) float64, the value nearest to thresholds.target that the label's validation
            rows allow; NaN where they allow the target, there are none, or the objective has no
            target.
        counts: of the validation rows as the thresholds decide them, by their weights.
        intervals: (L, 2) of the thresholds over draws of the validation rows; None where these were
            not drawn.
    """

    values: torch.Tensor
    positives: torch.Tensor
    shrinkage: torch.Tensor
    reached: torch.Tensor
    counts: Confusion
    intervals: torch.Tensor | None = None

    @property
    def pooled(self) -> torch.Tensor:
        """Whether all labels together weigh more than the label itself, (L,)."""
        return self.shrinkage > 0.5  # noqa: PLR2004  a half

    @classmethod
    def concatenate(cls, blocks: Sequence[Thresholds]) -> Thresholds:
        """Return the thresholds of all labels, in the order of the blocks."""
        drawn = [block.intervals for block in blocks if block.intervals is not None]
        return cls(
            torch.cat([block.values for block in blocks]),
            torch.cat([block.positives for block in blocks]),
            torch.cat([block.shrinkage for block in blocks]),
            torch.cat([block.reached for block in blocks]),
            Confusion.join([block.counts for block in blocks]),
            torch.cat(drawn) if drawn else None,
        )


def choose_thresholds(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    settings: ThresholdsSection,
    weights: torch.Tensor | None = None,
    pool: ScorePool | None = None,
) -> Thresholds:
    """Choose each label's threshold on validation rows.

    `cost` needs no search (`least_cost_threshold`), nor does `half`. `top_k` decides the rows of
    the highest scores positive, as near to so many as equal scores allow.

    The other objectives take the best of all places where the sorted scores can be cut, with at
    least LEAST_SUPPORT rows above, since one row alone supports no threshold. A row counts there
    as positive by s * (what all labels together say of such a score) + (1 - s) * (its own target),
    where s = m / (m + the label's validation positives), m = `minimum_positives`. A label of few
    positives is so shrunk toward the threshold that is best by its calibrated scores: for F1 half
    the F1 expected by them (Lipton, Elkan & Naryanaswamy 2014); with more positives, its own
    targets decide.

    Args:
        probabilities: (N, L).
        targets: (N, L), NaN where missing.
        settings: the objective, with its target or costs, and m.
        weights: of the rows or cells, as of the metrics; a row of weight 0 is no validation row.
        pool: of all labels, where these are a block of them; None pools these.
    """
    weights, (probabilities, targets) = simplify_weights(weights, probabilities, targets)
    positives = (targets == 1).sum(dim=0)
    nothing = torch.zeros_like(positives, dtype=torch.float64)
    fixed = fixed_threshold(settings)
    if fixed is not None:
        values, reached = torch.full_like(nothing, fixed), torch.full_like(nothing, torch.nan)
        counts = Confusion.of(probabilities >= values, targets, weights)
        return Thresholds(values, positives, nothing, reached, counts)
    shrinkage = nothing
    if settings.objective != "top_k" and settings.minimum_positives:
        shrinkage = settings.minimum_positives / (settings.minimum_positives + positives.double())
    if pool is None:
        pool = ScorePool.of(probabilities, targets, weights)
    values, reached = _search(
        probabilities, targets, settings, shrinkage, weights=weights, pool=pool
    )
    counts = Confusion.of(probabilities >= values, targets, weights)
    return Thresholds(values, positives, shrinkage, reached, counts)


def fixed_threshold(settings: ThresholdsSection) -> float | None:
    """Return the threshold of an objective that needs no search; None of the others."""
    if settings.objective == "half":
        return 0.5
    if settings.objective == "cost":
        return least_cost_threshold(settings.false_positive_cost, settings.false_negative_cost)
    return None


def _search(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    settings: ThresholdsSection,
    shrinkage: torch.Tensor,
    *,
    weights: torch.Tensor | None,
    pool: ScorePool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the thresholds of labels and what of the target they reach, (L,) each."""
    if not len(targets):
        nothing = probabilities.new_full(targets.shape[1:], torch.nan, dtype=torch.float64)
        return torch.full_like(nothing, 0.5), nothing
    # missing cells go last, so that no threshold lies next to one of their scores
    ranking = Ranking.of(probabilities.where(~targets.isnan(), -torch.inf), targets, weights)
    is_known = ranking.scores > -torch.inf
    index = torch.arange(len(targets), device=targets.device)
    allowed = (index == ranking.last) & is_known
    if settings.objective == "top_k":
        place, reached = _cut_top(ranking, settings, allowed)
    else:
        allowed &= is_known.cumsum(dim=1) >= LEAST_SUPPORT
        own, blended = _count(ranking, shrinkage, pool)
        target = settings.target or 0.0  # the config sees to it where one is needed
        place, reached = Cuts(own, blended, allowed).best(settings.objective, target)
    return _between(ranking.scores, place), reached.where(is_known.any(dim=1), torch.nan)


def _count(
    ranking: Ranking, shrinkage: torch.Tensor, pool: ScorePool
) -> tuple[Confusion, Confusion]:
    """Return the counts at every place, of the own targets and blended with what the pool says."""
    mass = ranking.positives + ranking.negatives
    expected = pool.expected_targets(ranking.scores.clamp(min=0))
    share = shrinkage[:, None]
    # without shrinkage to the bit the own targets
    positives = (1 - share) * ranking.positives + share * mass * expected
    return _cumulate(ranking.positives, mass), _cumulate(positives, mass)


def _cumulate(positives: torch.Tensor, mass: torch.Tensor) -> Confusion:
    true, found = positives.cumsum(dim=1), mass.cumsum(dim=1)
    false = (found - true).clamp(min=0)
    missed, left = true[:, -1:] - true, false[:, -1:] - false
    return Confusion(true, false, missed.clamp(min=0), left.clamp(min=0))


def _cut_top(
    ranking: Ranking, settings: ThresholdsSection, allowed: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut below so many rows, or so large a share of their weight."""
    target = settings.target or 0.0
    mass = ranking.positives + ranking.negatives
    if target >= 1:
        rows = (mass > 0).double()
        return cut_at_share(rows, torch.full_like(rows[:, 0], target), allowed)
    total = mass.sum(dim=1)
    place, reached = cut_at_share(mass, target * total, allowed)
    return place, (reached / total).nan_to_num(nan=0.0).where(~reached.isnan(), torch.nan)


def _between(scores: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return the middle between the score at a place and the next one, 0.5 where there is none.

    Args:
        scores: (L, N) falling.
        place: (L,), -1 for none.
    """
    index = place.clamp(min=0)[:, None]
    score = scores.gather(1, index)[:, 0]
    below = scores.gather(1, (index + 1).clamp(max=scores.shape[1] - 1))[:, 0]
    middle = (score + below) / 2
    # the middle of two neighbouring floats may round down to the lower one, which it must exclude
    return middle.where(middle > below, score).where(place >= 0, 0.5)
