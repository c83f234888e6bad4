"""Replicates of a block of labels, and the intervals they give.

Shapes: N rows, L labels, R replicates, K bands.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics import BandRows, Confusion, Units, make_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.evaluation.scored_rows import ScoredRows
    from imbalance_cli.metrics import BandCounts, Replicates

    Ends = tuple[torch.Tensor, torch.Tensor]

LEAST_FOR_INTERVAL = 2  # positives, and negatives; resampling one row says nothing
JOINT_CELLS = 100_000_000  # N * L * R, up to which labels are drawn together
DRAWN_AT_ONCE = 1 << 20  # L * R * K


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
    counts: BandCounts, resampling: Resampling, first: int
) -> Iterator[tuple[slice, Replicates]]:
    """Yield the replicates of each label, all R at once, some labels at a time.

    Args:
        counts: of the labels.
        resampling: how.
        first: the number of the first label, which its random numbers depend on.
    """
    labels, bands = counts.counts.shape[1:]
    at_once = max(DRAWN_AT_ONCE // (resampling.replicates * bands), 1)
    for start in range(0, labels, at_once):
        chosen = slice(start, min(start + at_once, labels))
        randoms = [
            np.random.default_rng([resampling.seed, first + label])
            for label in range(chosen.start, chosen.stop)
        ]
        yield (
            chosen,
            counts.select(chosen).draw(
                resampling.replicates, randoms, hold_prevalence=resampling.hold_prevalence
            ),
        )


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
        self._sums: dict[str, torch.Tensor] = {}
        self._defined: dict[str, torch.Tensor] = {}
        self._decisions: list[Confusion] = []

    def draw(self, rows: BandRows) -> tuple[dict[str, torch.Tensor], Confusion]:
        """Return each metric, and the decisions, of each label, (L, R)."""
        metrics: list[dict[str, torch.Tensor]] = []
        decisions: list[Confusion] = []
        for counts in self._counts():
            parts = [
                (replicates.metrics(), replicates.confusion())
                for replicates in _sum_some(rows, counts)
            ]
            metrics.append(_join([of_labels for of_labels, _ in parts], dim=0))
            decisions.append(Confusion.join([of_labels for _, of_labels in parts], dim=0))
        return _join(metrics, dim=1), Confusion.join(decisions, dim=1)

    def draw_pooled(self, rows: BandRows) -> dict[str, torch.Tensor]:
        """Return each metric over all cells, (1, R), by the decisions of the labels added."""
        decisions = functools.reduce(Confusion.merge, self._decisions)
        metrics, start = [], 0
        for counts in self._counts():
            stop = start + counts.shape[1]
            some = Confusion(*(part[:, start:stop] for part in decisions.parts()))
            metrics.append(rows.sum(counts).metrics(some))
            start = stop
        return _join(metrics, dim=1)

    def _counts(self) -> Iterator[NDArray[np.float64]]:
        """Yield (N, r) how often each row was drawn, the same each time."""
        return self.units.draw(self.resampling.replicates, self.resampling.seed)

    def add(
        self, draws: Mapping[str, torch.Tensor], decisions: Confusion, counted: torch.Tensor
    ) -> None:
        """Add those of some labels that averages are over, (L,), of draws (L, R)."""
        for name, values in draws.items():
            kept = values[counted]
            defined = (~kept.isnan()).sum(dim=0)
            self._sums[name] = self._sums.get(name, 0) + kept.nansum(dim=0)
            self._defined[name] = self._defined.get(name, 0) + defined
        chosen = Confusion(*(part[counted] for part in decisions.parts()))
        self._decisions.append(chosen.total())

    def macro(self) -> dict[str, torch.Tensor]:
        """Return the mean of each metric over the labels that were added, (1, R)."""
        return {name: (self._sums[name] / self._defined[name])[None] for name in self._sums}


def _sum_some(rows: BandRows, counts: NDArray[np.float64]) -> Iterator[Replicates]:
    """Yield the replicates that drew rows so often, (N, r), some labels at a time."""
    labels, bands = len(rows.sums), rows.layout.is_run.shape[-1]
    at_once = max(DRAWN_AT_ONCE // (counts.shape[1] * bands), 1)
    for start in range(0, labels, at_once):
        yield rows.select(slice(start, start + at_once)).sum(counts)


def _join(parts: Sequence[Mapping[str, torch.Tensor]], dim: int) -> dict[str, torch.Tensor]:
    return {name: torch.cat([part[name] for part in parts], dim=dim) for name in parts[0]}


def intervals_of(
    points: Mapping[str, torch.Tensor],
    draws: Mapping[str, torch.Tensor],
    sizes: torch.Tensor,
    confidence: float,
) -> dict[str, Ends]:
    """Return low and high of each metric, (L,); NaN where there are too few rows of a class."""
    enough = sizes >= LEAST_FOR_INTERVAL
    intervals = {}
    for name, values in draws.items():
        ends = make_intervals(
            name, points[name], values, sizes.clamp(min=LEAST_FOR_INTERVAL), confidence
        )
        low, high = (end.where(enough, torch.nan) for end in ends)
        intervals[name] = (low, high)
    return intervals
