"""A bootstrap of bands: each replicate draws how many rows of a class fall in each band.

Shapes: N rows, L labels, R replicates, K bands, B bins of the calibration error.

Of N rows drawn with replacement, how many are positive is binomial, and given that, positives and
negatives are drawn apart: how many of a class fall in each band is multinomial. The ranking metrics
and those at the threshold depend on nothing else, so that a replicate costs the number of bands
instead of the number of rows, and is exact in distribution where each run with a positive is a band
of its own. The sums of losses need the probabilities of the rows that are drawn: of a band that is
one run they are known, and elsewhere the sum over n rows of a band is taken as normal with n times
the band's mean and variance.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics.replicates import Layout, Replicates, sum_bins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.metrics.bands import Bands
    from imbalance_cli.metrics.replicates import Levels

MOMENTS = 3  # of a row: probability, Brier loss, log loss


@dataclasses.dataclass(frozen=True)
class BandCounts:
    """What is drawn from.

    Attributes:
        layout: of the bands.
        counts: (2, L, K) positives and negatives.
        means: (MOMENTS, 2, L, K) over the positives and over the negatives of a band.
        variances: (MOMENTS, 2, L, K) of the same.
    """

    layout: Layout
    counts: torch.Tensor
    means: torch.Tensor
    variances: torch.Tensor

    @classmethod
    def of(cls, bands: Bands, levels: Levels) -> BandCounts:
        """Count the rows of each class, and take the moments of their losses."""
        ranking = bands.ranking
        counts, means, variances = [], [], []
        p = ranking.scores.where(ranking.scores >= 0, 0.0)  # missing ones are in no class
        limit = torch.finfo(p.dtype).eps
        clipped = p.clamp(limit, 1 - limit)
        for mask, loss, logs in (
            (ranking.positives, 1 - p, -clipped.log()),
            (ranking.negatives, p, -torch.log1p(-clipped)),
        ):
            rows = bands.sums(mask)
            of_class = []
            for values in (p, loss**2, logs):
                mean = bands.sums(values * mask) / rows.clamp(min=1)
                square = bands.sums(values**2 * mask) / rows.clamp(min=1)
                variance = (square - mean**2).clamp(min=0)
                of_class.append((mean, variance.where(~bands.is_run, 0.0)))
            counts.append(rows)
            means.append(torch.stack([mean for mean, _ in of_class]))
            variances.append(torch.stack([variance for _, variance in of_class]))
        return cls(
            Layout.of(bands, levels),
            torch.stack(counts),
            torch.stack(means, dim=1),
            torch.stack(variances, dim=1),
        )

    def select(self, labels: slice) -> BandCounts:
        """Return those of some labels, as views."""
        return BandCounts(
            self.layout.select(labels),
            self.counts[:, labels],
            self.means[:, :, labels],
            self.variances[:, :, labels],
        )

    def itself(self) -> Replicates:
        """Return the data as one replicate, (L, 1, ...)."""
        return self._sum(self.counts[:, :, None])

    def draw(
        self,
        replicates: int,
        randoms: Sequence[np.random.Generator],
        *,
        hold_prevalence: bool = False,
    ) -> Replicates:
        """Return R replicates.

        Args:
            replicates: R.
            randoms: (L,) what each label is drawn by, so that it does not depend on the others.
            hold_prevalence: whether each has as many positives as the data; else these vary as in
                rows drawn with replacement, and are never none or all.
        """
        counts = self.counts.cpu().numpy()
        drawn = [
            _draw_counts(counts[:, i], replicates, random, hold_prevalence=hold_prevalence)
            for i, random in enumerate(randoms)
        ]
        stacked = torch.from_numpy(np.stack(drawn, axis=1))
        return self._sum(stacked.double().to(self.counts.device), randoms)

    def _sum(self, counts: torch.Tensor, randoms: Sequence[np.random.Generator] = ()) -> Replicates:
        """Return replicates with counts (2, L, R, K); without `randoms` no row varies in a band."""
        positives, negatives = counts
        rows = positives + negatives
        means, variances = self.means[:, :, :, None], self.variances[:, :, :, None]

        def both(of_class: torch.Tensor) -> torch.Tensor:
            total: torch.Tensor = positives * of_class[0] + negatives * of_class[1]
            return total

        gaps = positives * (means[0, 0] - 1) + negatives * means[0, 1]
        squares, losses = both(means[1]), both(means[2])
        bins = sum_bins([rows, gaps, squares], self.layout.cuts)
        totals = torch.stack([squares.sum(dim=-1), losses.sum(dim=-1)])
        if randoms:
            [spread] = sum_bins([both(variances[0])], self.layout.cuts)
            bins[1] += spread.clamp(min=0).sqrt() * _normal(spread, randoms)
            spreads = torch.stack([both(variance).sum(dim=-1) for variance in variances[1:]])
            totals += spreads.sqrt() * _normal(spreads[0], randoms)
        mass, of_gaps, of_squares = bins
        return Replicates(
            self.layout,
            positives,
            negatives,
            None,
            torch.stack([mass, of_gaps, mass, of_gaps, of_squares]),
            totals[0].clamp(min=0),
            totals[1].clamp(min=0),
        )


def _draw_counts(
    counts: NDArray[np.float64],
    replicates: int,
    random: np.random.Generator,
    *,
    hold_prevalence: bool,
) -> NDArray[np.int64]:
    """Return (2, R, K) how many rows of each class fall in bands of (2, K) rows."""
    sizes = counts.sum(axis=1).astype(np.int64)
    size = int(sizes.sum())
    positives = np.full(replicates, sizes[0])
    if not hold_prevalence and sizes.all():
        positives = random.binomial(size, sizes[0] / size, replicates).clip(1, size - 1)
    drawn = (positives, size - positives)
    shares = counts / np.maximum(sizes, 1)[:, None]
    return np.stack([random.multinomial(n, p) for n, p in zip(drawn, shares, strict=True)])


def _normal(like: torch.Tensor, randoms: Sequence[np.random.Generator]) -> torch.Tensor:
    """Return standard normal numbers of the shape (L, ...) of another tensor."""
    drawn = [random.standard_normal(like.shape[1:]) for random in randoms]
    return torch.from_numpy(np.stack(drawn)).to(like.device)
