"""Bootstrap replicates: of each label apart, or of the same rows for all labels.

Shapes: N rows, R replicates.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics import METRICS, Confusion, Units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imbalance_cli.evaluation.scored_rows import ScoredRows
    from imbalance_cli.metrics import BandCounts, BandRows, Levels

JOINT_CELLS = 100_000_000  # N * L * R, up to which labels are drawn together
DRAWN_AT_ONCE = 1 << 20  # replicates * bands


@dataclasses.dataclass(frozen=True)
class Resampling:
    """How intervals are made.

    Attributes:
        replicates: R, of the bootstrap; 0 for point estimates only.
        confidence: of the intervals.
        seed: of the bootstrap.
        hold_prevalence: whether each replicate has as many positives as the rows have, where labels
            are drawn apart: for rows whose classes were counted out beforehand.
    """

    replicates: int = 200
    confidence: float = 0.95
    seed: int = 0
    hold_prevalence: bool = False


def draw_apart(
    counts: BandCounts, resampling: Resampling, label: int, levels: Levels
) -> torch.Tensor:
    """Return each metric of the replicates of one label, (metrics, R).

    Args:
        counts: of the label.
        resampling: how.
        label: its number, so that its draws do not depend on the other labels.
        levels: of the metrics.
    """
    random = np.random.default_rng([resampling.seed, label])
    at_once = max(DRAWN_AT_ONCE // counts.counts.shape[1], 1)
    hold = resampling.hold_prevalence
    parts = [
        counts.draw(min(at_once, resampling.replicates - start), random, hold_prevalence=hold)
        for start in range(0, resampling.replicates, at_once)
    ]
    return torch.cat([part.metrics(levels) for part in parts], dim=1)


def plan_joint_draws(
    rows: ScoredRows, resampling: Resampling, groups: torch.Tensor | None, *, is_weighted: bool
) -> JointDraws | None:
    """Return what draws the same rows for all labels, or None where each is drawn apart.

    Weighted rows and groups are drawn jointly; of others, several labels are where that is cheap,
    so that their averages have intervals too.
    """
    cost = rows.rows * rows.labels * resampling.replicates
    is_cheap = rows.labels > 1 and cost <= JOINT_CELLS
    if not cost or not (is_weighted or groups is not None or is_cheap):
        return None
    return JointDraws(Units.of(rows.rows, groups), resampling)


class JointDraws:
    """Draws of the same rows for all labels, summed over labels for their averages.

    Args:
        units: what is drawn.
        resampling: how.
    """

    def __init__(self, units: Units, resampling: Resampling) -> None:
        self.units, self.resampling = units, resampling
        self._sums = torch.zeros(2, len(METRICS), resampling.replicates, dtype=torch.float64)
        self._decisions = Confusion(*torch.zeros(4, resampling.replicates, dtype=torch.float64))

    def draw(self, rows: BandRows, levels: Levels) -> tuple[torch.Tensor, Confusion]:
        """Return each metric, (metrics, R), and the decisions, (R,), of one label."""
        metrics, decisions = [], []
        for counts in self._counts(len(rows)):
            replicates = rows.sum(counts)
            metrics.append(replicates.metrics(levels))
            decisions.append(replicates.confusion())
        return torch.cat(metrics, dim=1), Confusion.join(decisions)

    def draw_pooled(self, rows: BandRows, levels: Levels) -> torch.Tensor:
        """Return each metric over all cells, (metrics, R), by the decisions of the labels added."""
        metrics, start = [], 0
        for counts in self._counts(len(rows)):
            stop = start + counts.shape[1]
            some = Confusion(*(part[start:stop] for part in self._decisions.parts()))
            metrics.append(rows.sum(counts).metrics(levels, some))
            start = stop
        return torch.cat(metrics, dim=1)

    def add(self, draws: torch.Tensor, decisions: Confusion) -> None:
        """Add a label that averages are over, of draws (metrics, R)."""
        part = torch.stack([draws.nan_to_num(0.0), (~draws.isnan()).double()])
        self._sums += part.cpu()
        self._decisions = self._decisions.merge(decisions.cpu())

    def macro(self) -> torch.Tensor:
        """Return the mean of each metric over the labels that were added, (metrics, R)."""
        mean: torch.Tensor = self._sums[0] / self._sums[1]
        return mean

    def _counts(self, bands: int) -> Iterator[NDArray[np.float64]]:
        """Yield (N, r) how often each row was drawn, the same whoever asks."""
        at_once = max(DRAWN_AT_ONCE // bands, 1)
        for counts in self.units.draw(self.resampling.replicates, self.resampling.seed):
            for start in range(0, counts.shape[1], at_once):
                yield counts[:, start : start + at_once]
