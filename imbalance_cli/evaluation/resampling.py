"""Bootstrap replicates: of each label apart, or of the same rows for all labels.

Shapes: N rows, U units that are drawn, R replicates, B bins of the calibration error.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics import METRIC_SPECS, Confusion, EceTests, Units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.evaluation.scored_rows import ScoredRows
    from imbalance_cli.metrics import BandCounts, BandRows, Levels, Replicates

JOINT_CELLS = 100_000_000  # N * L * R, up to which rows are drawn one by one for all labels
POOLED_AT_ONCE = 4_000_000  # cells that are sorted as one ranking; of more, sums are taken
BLOCKS = 500  # of rows, that are drawn of more
DRAWN_AT_ONCE = 1 << 20  # replicates * bands


@dataclasses.dataclass(frozen=True)
class Resampling:
    """How intervals are made.

    Attributes:
        replicates: R, of the bootstrap; 0 for point estimates only.
        confidence: of the intervals.
        seed: of the bootstrap.
    """

    replicates: int = 200
    confidence: float = 0.95
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Draws:
    """What the replicates of a label, or of all cells, come to.

    Attributes:
        metrics: (metrics, R).
        decisions: (R,).
        gaps: (5, R, B) sums over the bins of the calibration error, as `mean_gaps` takes them.
    """

    metrics: torch.Tensor
    decisions: Confusion
    gaps: torch.Tensor

    @classmethod
    def of(
        cls, parts: Sequence[Replicates], levels: Levels, decisions: Confusion | None = None
    ) -> Draws:
        """Join replicates.

        Args:
            parts: of some replicates each.
            levels: of the metrics.
            decisions: (R,), where bands do not end at the thresholds; None where they do.
        """
        if decisions is None:
            decisions = Confusion.join([part.confusion for part in parts])
        counts = (torch.split(count, [len(part) for part in parts]) for count in decisions)
        metrics = [
            part.metrics(levels, Confusion(*own)) for part, *own in zip(parts, *counts, strict=True)
        ]
        gaps = torch.cat([part.gaps for part in parts], dim=1)
        return cls(torch.cat(metrics, dim=1), decisions, gaps)

    def moved(self, shift: torch.Tensor) -> Draws:
        """Return the same with metrics moved by (metrics, 1), where it is defined."""
        return dataclasses.replace(self, metrics=self.metrics + shift.nan_to_num(0.0))


def draw_apart(counts: BandCounts, resampling: Resampling, label: int, levels: Levels) -> Draws:
    """Return the replicates of one label.

    Args:
        counts: of the label.
        resampling: how.
        label: its number, so that its draws do not depend on the other labels.
        levels: of the metrics.
    """
    random = np.random.default_rng([resampling.seed, label])
    at_once = max(DRAWN_AT_ONCE // counts.counts.shape[1], 1)
    parts = [
        counts.draw(min(at_once, resampling.replicates - start), random)
        for start in range(0, resampling.replicates, at_once)
    ]
    return Draws.of(parts, levels)


def plan_joint_draws(
    rows: ScoredRows, resampling: Resampling, groups: torch.Tensor | None, *, is_weighted: bool
) -> JointDraws | None:
    """Return what draws the same rows for all labels, or None where there is one label alone.

    Labels whose rows are weighted or in groups have their intervals of it, and so have others where
    rows are few enough to be drawn one by one; else labels are drawn apart, which is cheaper, and
    their averages have blocks of rows drawn.
    """
    if not rows.rows * rows.labels * resampling.replicates:
        return None
    is_special = is_weighted or groups is not None
    if rows.labels == 1 and not is_special:
        return None
    units = Units.of(rows.rows, groups)
    cells = rows.rows * rows.labels
    is_cheap = cells * resampling.replicates <= JOINT_CELLS and cells <= POOLED_AT_ONCE
    if not is_cheap:
        units = units.in_blocks(BLOCKS, resampling.seed)
    return JointDraws(units, resampling, of_labels=is_cheap or is_special)


class UnitDraws:
    """Draws of units, the same for every label and candidate.

    Args:
        units: what is drawn.
        resampling: how.
    """

    def __init__(self, units: Units, resampling: Resampling) -> None:
        self.units, self.resampling = units, resampling
        self._kept: list[NDArray[np.float64]] = []

    def counts(self, bands: int) -> Iterator[NDArray[np.float64]]:
        """Yield (U, r) how often each unit was drawn, in replicates that fit into memory together.

        Args:
            bands: that each replicate is summed over.
        """
        at_once = max(DRAWN_AT_ONCE // bands, 1)
        for counts in self._kept or self._draw():
            for start in range(0, counts.shape[1], at_once):
                yield counts[:, start : start + at_once]

    def _draw(self) -> Iterator[NDArray[np.float64]]:
        """Yield draws of some replicates at a time; they are kept where these are all."""
        for counts in self.units.draw(self.resampling.replicates, self.resampling.seed):
            if counts.shape[1] == self.resampling.replicates:
                self._kept = [counts]
            yield counts


class JointDraws(UnitDraws):
    """Draws of the same rows for all labels, summed over labels for their averages.

    Args:
        units: what is drawn.
        resampling: how.
        of_labels: whether each label has its interval of these draws too.
    """

    def __init__(self, units: Units, resampling: Resampling, *, of_labels: bool = True) -> None:
        super().__init__(units, resampling)
        self.of_labels = of_labels
        self.macro, self.weighted = (
            LabelSums(resampling.replicates),
            LabelSums(resampling.replicates),
        )
        self._decisions = torch.zeros(4, resampling.replicates, dtype=torch.float64)

    def draw(self, rows: BandRows, levels: Levels) -> Draws:
        """Return the replicates of one label."""
        return Draws.of([rows.sum(counts) for counts in self.counts(len(rows))], levels)

    def draw_pooled(self, rows: BandRows, levels: Levels) -> Draws:
        """Return the replicates of all cells, by the decisions of the labels added."""
        parts = [rows.sum(counts) for counts in self.counts(len(rows))]
        return Draws.of(parts, levels, Confusion(*self._decisions.to(parts[0].gaps.device)))

    def add(self, draws: Draws, ece_tests: EceTests, rarer: int) -> None:
        """Add a label that averages are over.

        Args:
            draws: of it.
            ece_tests: of its calibration error.
            rarer: rows, or groups, of its rarer class.
        """
        decisions = torch.stack(draws.decisions).cpu()
        true, _, missed, _ = decisions
        found = true + missed
        metrics = draws.metrics.cpu()
        self.macro.add(metrics, torch.ones_like(found), ece_tests, rarer)
        self.weighted.add(metrics, found, ece_tests, rarer)
        self._decisions += decisions


class LabelSums:
    """Replicates of labels, each with a weight, summed for their mean.

    Args:
        replicates: R.
    """

    def __init__(self, replicates: int) -> None:
        self._sums = torch.zeros(2, len(METRIC_SPECS), replicates, dtype=torch.float64)
        self._ece_tests: EceTests | None = None
        self._weight = 0.0
        self._spread = torch.zeros(2, len(METRIC_SPECS), dtype=torch.float64)

    def add(
        self, metrics: torch.Tensor, weights: torch.Tensor, ece_tests: EceTests, rarer: int
    ) -> None:
        """Add a label.

        Args:
            metrics: (metrics, R), NaN where undefined.
            weights: (R,) of the label in each replicate.
            ece_tests: of its calibration error.
            rarer: rows, or groups, of its rarer class.
        """
        known = ~metrics.isnan()
        weight = float(weights.mean())
        filled = metrics.where(known, metrics.nanmean(dim=1, keepdim=True))
        spread = (weight * filled).var(dim=1).nan_to_num(0.0)
        self._spread += torch.stack([spread, spread**2 / max(rarer - 1, 1)])
        self._sums += torch.stack([(metrics * weights).where(known, 0.0), known * weights])
        own = ece_tests.scaled(weight)
        self._ece_tests = own if self._ece_tests is None else self._ece_tests.plus(own)
        self._weight += weight

    def mean(self) -> torch.Tensor:
        """Return the mean of each metric over labels, (metrics, R)."""
        return self._sums[0] / self._sums[1]

    def sizes(self) -> list[float]:
        """Return of how many rows of a rarer class each mean is in effect (Satterthwaite 1946)."""
        whole, unsure = self._spread
        sizes: list[float] = (1 + whole**2 / unsure).nan_to_num(math.inf, math.inf).tolist()
        return sizes

    def ece_tests(self) -> EceTests | None:
        """Return that of the mean calibration error; None without labels."""
        if self._ece_tests is None or not self._weight:
            return None
        return self._ece_tests.scaled(1 / self._weight)
