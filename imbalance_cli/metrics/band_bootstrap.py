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
        return self._sum(self.counts[:, :, None], None)

    def draw(
        self, replicates: int, random: np.random.Generator, *, hold_prevalence: bool = False
    ) -> Replicates:
        """Return R replicates.

        Args:
            replicates: R.
            random: draws.
            hold_prevalence: whether each has as many positives as the data; else these vary as in
                rows drawn with replacement, and are never none or all.
        """
        rows = self.counts.sum(dim=-1).cpu().numpy()
        size, shape = rows.sum(axis=0), (rows.shape[1], replicates)
        positives = np.broadcast_to(rows[0][:, None], shape)
        if not hold_prevalence:
            share = rows[0] / np.maximum(size, 1)
            drawn = random.binomial(size.astype(np.int64)[:, None], share[:, None], shape)
            positives = np.clip(drawn, 1, np.maximum(size - 1, 1)[:, None])
        sizes = (positives, size[:, None] - positives)
        counts = [
            _draw_multinomial(size_of_class, of_class.cpu().numpy(), random)
            for size_of_class, of_class in zip(sizes, self.counts, strict=True)
        ]
        device = self.counts.device
        return self._sum(torch.from_numpy(np.stack(counts)).double().to(device), random)

    def _sum(self, counts: torch.Tensor, random: np.random.Generator | None) -> Replicates:
        """Return replicates with counts (2, L, R, K); without `random` no row varies in a band."""
        positives, negatives = counts
        rows = positives + negatives
        means, variances = self.means[:, :, :, None], self.variances[:, :, :, None]

        def both(of_class: torch.Tensor) -> torch.Tensor:
            return positives * of_class[0] + negatives * of_class[1]

        gaps = positives * (means[0, 0] - 1) + negatives * means[0, 1]
        squares, losses = both(means[1]), both(means[2])
        bins = sum_bins([rows, gaps, squares], self.layout.cuts)
        totals = torch.stack([squares.sum(dim=-1), losses.sum(dim=-1)])
        if random is not None:
            [spread] = sum_bins([both(variances[0])], self.layout.cuts)
            bins[1] += spread.clamp(min=0).sqrt() * _normal(spread, random)
            spreads = torch.stack([both(variance).sum(dim=-1) for variance in variances[1:]])
            totals += spreads.sqrt() * _normal(spreads[0], random)
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


def _draw_multinomial(
    sizes: NDArray[np.float64], counts: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Return (L, R, K) how many of `sizes` (L, R) rows fall in bands of `counts` (L, K) rows."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return random.multinomial(sizes.astype(np.int64), shares[:, None])


def _normal(like: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(random.standard_normal(like.shape)).to(like.device)
