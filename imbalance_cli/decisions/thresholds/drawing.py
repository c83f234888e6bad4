"""How far a threshold would move, had other validation rows been drawn.

Shapes: N rows, L labels, R draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.decisions.thresholds.choosing import choose_thresholds, fixed_threshold

if TYPE_CHECKING:
    from imbalance_cli.config import ThresholdsSection
    from imbalance_cli.decisions.thresholds.pool import ScorePool
    from imbalance_cli.metrics import Units

MOST_CELLS = 10_000_000  # rows times labels, over all draws; each takes some hundred nanoseconds
LEAST_DRAWS = 40  # of fewer, the ends of an interval are the extremes


def count_draws(rows: int, labels: int, replicates: int, settings: ThresholdsSection) -> int:
    """Return how many draws of validation rows there are time for, at most `replicates`, or 0.

    There are none where the objective needs no search.
    """
    draws = min(replicates, MOST_CELLS // max(rows * labels, 1))
    return 0 if draws < LEAST_DRAWS or fixed_threshold(settings) is not None else draws


def bound_thresholds(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    settings: ThresholdsSection,
    units: Units,
    draws: int,
    *,
    confidence: float,
    weights: torch.Tensor | None,
    pool: ScorePool,
) -> torch.Tensor:
    """Return between which ends the chosen threshold lies over draws of the rows, (L, 2).

    They are percentiles. The calibration and the pooled estimate are not fitted again.

    Args:
        probabilities: (N, L).
        targets: (N, L), NaN where missing.
        settings: as `choose_thresholds` takes them.
        units: of the rows, which are drawn.
        draws: R.
        confidence: of the interval.
        weights: (N,), (N, L), or None.
        pool: of all labels.
    """
    chosen = []
    for counts in units.draw(draws, seed=0):
        for drawn in counts.T.astype(np.intp):
            rows = torch.from_numpy(np.repeat(np.arange(len(targets)), drawn[units.of_row]))
            own = None if weights is None else weights[rows]
            found = choose_thresholds(probabilities[rows], targets[rows], settings, own, pool)
            chosen.append(found.values)
    tails = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=torch.float64)
    return torch.stack(chosen).quantile(tails, dim=0).T
