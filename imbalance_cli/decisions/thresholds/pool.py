"""What the scores of all labels together mean, collected some labels at a time.

Shapes: N rows, L labels, B bins of log-odds.
"""

from __future__ import annotations

import dataclasses
import functools

import torch

from imbalance_cli.decisions.calibration import POWERS, fit_polynomial
from imbalance_cli.metrics import as_columns, simplify_weights

FARTHEST = 16.0  # log-odds; scores beyond fall into the bins at the ends
BINS = 2048  # each 1/64 of log-odds wide


@dataclasses.dataclass(frozen=True)
class ScorePool:
    """Counts of positives and negatives by score, over any number of labels.

    Pools of different labels of the same rows add up to the pool of them all, in memory that does
    not grow with rows or labels.

    Attributes:
        positives: (B,) float64, rows or their weight.
        negatives: (B,) float64.
    """

    positives: torch.Tensor
    negatives: torch.Tensor

    @classmethod
    def of(
        cls,
        probabilities: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> ScorePool:
        """Count cells (N, L), rows weighted by (N,) relative to their mean; NaN targets are out.

        With weights (N, L), a cell counts relative to the mean of its label's known cells.
        """
        weights, (probabilities, targets) = simplify_weights(weights, probabilities, targets)
        known = ~targets.isnan()
        edges = torch.linspace(
            -FARTHEST, FARTHEST, BINS + 1, dtype=torch.float64, device=targets.device
        )[1:-1]
        number = torch.bucketize(probabilities[known].double(), edges.sigmoid(), right=True)
        mass = None
        if weights is not None:
            own = as_columns(weights.double())
            mean = own.mean()
            if weights.ndim > 1:
                mean = (own * known).sum(dim=0) / known.sum(dim=0).clamp(min=1)
            mass = (own / mean).expand(targets.shape)[known]
        counts = []
        for side in (1, 0):
            cells = targets[known] == side
            of_side = None if mass is None else mass[cells]
            counts.append(number[cells].bincount(of_side, minlength=BINS).double())
        return cls(*counts)

    def __add__(self, other: ScorePool) -> ScorePool:
        """Return the pool of both sets of labels."""
        return ScorePool(self.positives + other.positives, self.negatives + other.negatives)

    def expected_targets(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Return how often cells of these scores are positives, (...,) float64.

        A logistic regression on the log-odds of the pooled cells, with a prior at the identity:
        where the probabilities are calibrated it leaves them nearly as they are. It stands for
        every label alike, whatever its prevalence, which the probability already holds.
        """
        intercept, slope = self._line
        own = probabilities.double().logit().clamp(-FARTHEST, FARTHEST)
        return torch.sigmoid(slope * own + intercept)

    @functools.cached_property
    def _line(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The intercept and slope of the regression."""
        width = 2 * FARTHEST / BINS
        centres = torch.arange(BINS, dtype=torch.float64, device=self.positives.device)
        log_odds = (centres + 0.5) * width - FARTHEST
        sides = torch.cat([torch.ones_like(log_odds), torch.zeros_like(log_odds)])
        counts = torch.cat([self.positives, self.negatives])
        intercept, slope, _ = fit_polynomial(
            log_odds.repeat(2)[None], sides[None], counts[None], POWERS["platt"]
        )[0]
        return intercept, slope
