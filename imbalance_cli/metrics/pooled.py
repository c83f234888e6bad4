"""All cells of many labels as one ranking, without holding them.

Shapes: P scores, n rows, l labels whose cells are added at a time, U units that are drawn, F sums.

Positives are rare, and a ranking depends on the others only through how many lie between two of
their scores. So the distinct scores of the positives are held, and of all cells sums between them;
states over the same scores add up.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.metrics.bands import BINS, argsort
from imbalance_cli.metrics.replicates import Layout, find_places, prefixes
from imbalance_cli.metrics.row_bootstrap import BandRows, row_sums, sum_units

if TYPE_CHECKING:
    from imbalance_cli.metrics.row_bootstrap import Units

FINE = 32  # highest scores of positives that are all kept where they are thinned out
COARSE = 64  # quantiles of the others, and as many of all cells


@dataclasses.dataclass(frozen=True)
class PooledSums:
    """Sums of the cells that each unit has at some scores, and between two of them.

    Attributes:
        scores: (P,) falling.
        sums: (F, 2 P + 1, U) as `row_sums` has them, from the cells above the highest score down to
            those below the lowest.
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
    ) -> PooledSums:
        """Sum cells (n, l) that weigh (n, l), or whose rows weigh (n,)."""
        labels = targets.shape[1]
        p, y = probabilities.flatten(), targets.flatten()
        known = (~y.isnan()).nonzero()[:, 0]
        order = known[argsort(-p[known].double())]
        p, y = p[order].double(), (y[order] == 1).double()
        rows = order // labels
        w = (
            torch.ones_like(p)
            if weights is None
            else weights.flatten()[rows if weights.ndim == 1 else order].double()
        )
        values = row_sums(p, y, w, is_weighted=weights is not None)
        ends = [torch.searchsorted(-p, -scores, right=right) for right in (False, True)]
        ends = [torch.stack(ends, dim=1).flatten(), rows.new_tensor([len(p)])]
        sums = sum_units(values, rows, torch.cat(ends), units)
        if not isinstance(sums, torch.Tensor):
            sums = torch.from_numpy(sums.toarray()).to(p.device)
        return cls(scores, sums.reshape(len(values), 2 * len(scores) + 1, units.size))

    def __add__(self, other: PooledSums) -> PooledSums:
        """Return the sums over the cells of both."""
        return PooledSums(self.scores, self.sums + other.sums)

    def rows(self) -> BandRows:
        """Return what is drawn, in bands that decide nothing.

        The calibration error's cuts, where they fall between two scores, divide what lies there
        evenly; of the scores of all positives all else is exact.
        """
        mass = self.sums[:2].sum(dim=(0, 2))
        shares = 1 - torch.arange(BINS + 1, device=mass.device).double() / BINS
        cuts = find_places(prefixes(mass), mass.sum() * shares)
        runs = torch.ones_like(mass, dtype=torch.bool)
        layout = Layout(runs, torch.full_like(mass, 0.5), 0, cuts)
        return BandRows(layout, self.sums.flatten(0, 1), len(self.sums))

    def thinned(self) -> torch.Tensor:
        """Return falling scores that divide the positives, and all cells, about evenly."""
        positives, negatives = self.sums[:2].sum(dim=2).flip(1)  # from the lowest score
        kept = torch.zeros(len(self.scores), dtype=torch.bool, device=positives.device)
        kept[-FINE:] = True
        for mass in (positives, positives + negatives):
            reached = mass[: 2 * len(kept)].reshape(-1, 2).sum(dim=1).cumsum(0)
            heights = torch.arange(COARSE, device=mass.device).double() / COARSE * reached[-1:]
            kept[torch.searchsorted(reached, heights).clamp(max=len(kept) - 1)] = True
        return self.scores[kept.flip(0)]
