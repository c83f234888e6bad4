"""All cells of many labels as one ranking, without holding them.

Shapes: P distinct scores of positives, E some of them, n cells that are added at a time, U units
that are drawn, F sums.

Positives are rare, and a ranking depends on the others only through how many lie between two of
their scores. So the distinct scores of the positives are held, and of all cells sums between them;
states over the same scores add up.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.metrics.bands import BINS, argsort, sums_between
from imbalance_cli.metrics.replicates import Layout, find_places, prefixes
from imbalance_cli.metrics.row_bootstrap import BandRows, row_sums

if TYPE_CHECKING:
    from imbalance_cli.metrics.confusion import Confusion
    from imbalance_cli.metrics.replicates import Levels
    from imbalance_cli.metrics.row_bootstrap import Units

FINE = 32  # highest scores of positives that are all kept where they are thinned out
COARSE = 64  # quantiles of the others, and as many of all cells


@dataclasses.dataclass(frozen=True)
class PooledRanking:
    """Sums of the cells at each score of a positive, and between two of them.

    Attributes:
        scores: (P,) rising.
        sums: (F, 2 P + 1) as `row_sums` has them, from the cells below the lowest score to those
            above the highest.
    """

    scores: torch.Tensor
    sums: torch.Tensor

    @classmethod
    def of(
        cls,
        scores: torch.Tensor,
        probabilities: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> PooledRanking:
        """Sum cells (n,) over the scores of all positives, of which theirs are some."""
        known = (~targets.isnan()).nonzero()[:, 0]
        p = probabilities[known].double()
        sort = argsort(p)
        p, order = p[sort], known[sort]
        y = (targets[order] == 1).double()
        w = torch.ones_like(p) if weights is None else weights[order].double()
        values = row_sums(p, y, w, is_weighted=weights is not None)
        below = torch.searchsorted(p, scores)
        through = torch.searchsorted(p, scores, right=True)
        ends = torch.stack([below, through], dim=1).flatten()
        ends = torch.cat([ends, ends.new_full((1,), len(p))])
        return cls(scores, torch.stack([sums_between(of_rows, ends) for of_rows in values]))

    def merge(self, other: PooledRanking) -> PooledRanking:
        """Return the sums over the cells of both."""
        return PooledRanking(self.scores, self.sums + other.sums)

    def metrics(self, levels: Levels, confusion: Confusion) -> torch.Tensor:
        """Return each metric, (metrics,), NaN where undefined.

        The calibration error's cuts, where they fall between two positives, divide what lies there
        evenly; all else is exact.

        Args:
            levels: of the metrics.
            confusion: (1,) of the decisions, at thresholds that may differ from cell to cell.
        """
        falling = self.sums.flip(1)
        rows = BandRows(_lay_out(falling[:2].sum(dim=0)), falling.reshape(-1, 1), len(falling))
        return rows.itself().metrics(levels, confusion)[:, 0]

    def thinned(self) -> torch.Tensor:
        """Return (E,) rising scores that divide the positives, and all cells, about evenly."""
        positives, negatives = self.sums[0], self.sums[1]
        chosen = [torch.arange(len(self.scores), device=positives.device)[-FINE:]]
        for mass in (positives, positives + negatives):
            reached = mass[: 2 * len(self.scores)].reshape(-1, 2).sum(dim=1).cumsum(0)
            heights = torch.arange(COARSE, device=mass.device).double() / COARSE * reached[-1:]
            chosen.append(torch.searchsorted(reached, heights).clamp(max=len(reached) - 1))
        kept = torch.zeros(len(self.scores), dtype=torch.bool, device=positives.device)
        kept[torch.cat(chosen)] = True
        return self.scores[kept]


@dataclasses.dataclass(frozen=True)
class PooledUnits:
    """Sums of the cells that each unit has at some scores, and between two of them.

    Attributes:
        scores: (E,) rising.
        sums: (F, 2 E + 1, U) as of BandRows, from the cells below the lowest score upward.
    """

    scores: torch.Tensor
    sums: torch.Tensor

    @classmethod
    def of(
        cls,
        scores: torch.Tensor,
        probabilities: torch.Tensor,
        targets: torch.Tensor,
        units: Units,
        weights: torch.Tensor | None = None,
    ) -> PooledUnits:
        """Sum cells (N, l) of rows that weigh (N,)."""
        known = ~targets.isnan()
        p, y = probabilities[known].double(), (targets[known] == 1).double()
        rows = known.nonzero()[:, 0]
        below, through = (torch.searchsorted(scores, p, right=right) for right in (False, True))
        of_row = torch.from_numpy(units.of_row).to(p.device)
        places = (below + through) * units.size + of_row[rows]
        w = torch.ones_like(p) if weights is None else weights.double()[rows]
        bands = 2 * len(scores) + 1
        sums = [
            torch.bincount(places, weights=each, minlength=bands * units.size)
            for each in row_sums(p, y, w, is_weighted=weights is not None)
        ]
        return cls(scores, torch.stack(sums).reshape(len(sums), bands, units.size))

    def merge(self, other: PooledUnits) -> PooledUnits:
        """Return the sums over the cells of both."""
        return PooledUnits(self.scores, self.sums + other.sums)

    def rows(self) -> BandRows:
        """Return what is drawn."""
        falling = self.sums.flip(1)
        layout = _lay_out(falling[:2].sum(dim=(0, 2)))
        return BandRows(layout, falling.flatten(0, 1).contiguous(), len(falling))


def _lay_out(mass: torch.Tensor) -> Layout:
    """Return the layout of bands of some mass (K,), which decide nothing."""
    shares = 1 - torch.arange(BINS + 1, device=mass.device).double() / BINS
    cuts = find_places(prefixes(mass), mass.sum() * shares)
    runs = torch.ones_like(mass, dtype=torch.bool)
    return Layout(runs, torch.full_like(mass, 0.5), 0, cuts)
