"""A bootstrap of bands: each replicate draws how many rows of a class fall in each band.

Shapes: M rows, P positives, R replicates, K bands.

Of M rows drawn with replacement, how many are positive is binomial, and given that, positives and
negatives are drawn apart: how many of a class fall in each band is multinomial. The ranking metrics
and those at the threshold depend on nothing else, so that a replicate costs the number of bands
instead of the number of rows, and is exact in distribution where bands are not merged. The sums of
losses need the probabilities of the rows that are drawn: of a band that is one run they are known,
and elsewhere the sum over n rows of a band is taken as normal with n times the band's mean and
variance.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics.bands import row_blocks, sums_between
from imbalance_cli.metrics.proportions import Cases
from imbalance_cli.metrics.replicates import Layout, Replicates, prefixes, sum_bins

if TYPE_CHECKING:
    from imbalance_cli.metrics.bands import Bands

MOMENTS = 3  # of a row: probability, Brier loss, log loss


@dataclasses.dataclass(frozen=True)
class BandCounts:
    """What is drawn from, of one label whose rows count alike.

    Attributes:
        layout: of the bands.
        counts: (2, K) positives and negatives.
        sums: (MOMENTS, 2, K) over them.
        squares: (MOMENTS, 2, K) of the squared moments.
    """

    layout: Layout
    counts: torch.Tensor
    sums: torch.Tensor
    squares: torch.Tensor

    @classmethod
    def of(cls, bands: Bands) -> BandCounts:
        """Count the rows of each class, and sum the moments of their losses."""
        moments = bands.keys.new_zeros(2, MOMENTS, 2, len(bands))
        for rows, some, ends in row_blocks(bands.ends):
            first, last = torch.searchsorted(
                bands.places, bands.places.new_tensor([rows.start, rows.stop])
            )
            places = bands.places[first:last] - rows.start
            moments[..., some] += _sum_moments(-bands.keys[rows], places, ends)
        found = torch.searchsorted(bands.places, bands.ends)
        counts = torch.stack([found, bands.ends - found]).diff(dim=1, prepend=found.new_zeros(2, 1))
        return cls(Layout.of(bands), counts.double(), *moments)

    def merged(self, into: Bands, of: Bands) -> BandCounts:
        """Return the same rows in bands that are merged of others."""
        through = of.through(into.ends)
        parts = (prefixes(x)[..., through] for x in (self.counts, self.sums, self.squares))
        merged = (x.diff(dim=-1, prepend=torch.zeros_like(x[..., :1])) for x in parts)
        return BandCounts(Layout.of(into), *merged)

    def itself(self) -> Replicates:
        """Return the data as one replicate."""
        return self._replicate(self.counts[:, None], self.sums[:, :, None])

    def cases(self, top_k: int) -> Cases:
        """Return how many rows each proportion is of."""
        positives, negatives = self.counts.sum(dim=1).tolist()
        rows = positives + negatives
        decided = float(self.counts[:, : self.layout.decided].sum())
        return Cases(positives, negatives, rows, decided, min(float(top_k), rows))

    def draw(self, replicates: int, random: np.random.Generator) -> Replicates:
        """Return R replicates, none of which is without a class that the data have."""
        device = self.counts.device
        counts = self.counts.cpu().numpy()
        sizes = counts.sum(axis=1).astype(np.int64)
        size = int(sizes.sum())
        positives = np.full(replicates, sizes[0])
        if sizes.all():
            positives = random.binomial(size, sizes[0] / size, replicates).clip(1, size - 1)
        shares = counts / np.maximum(sizes, 1)[:, None]
        pairs = zip((positives, size - positives), shares, strict=True)
        drawn = np.stack([random.multinomial(n, share) for n, share in pairs])
        drawn_counts = torch.from_numpy(drawn).double().to(device)
        means = self.sums / self.counts.clamp(min=1)
        found = self._replicate(drawn_counts, drawn_counts * means[:, :, None])
        variances = (self.squares / self.counts.clamp(min=1) - means**2).clamp(min=0)
        spread = (drawn_counts * variances.where(~self.layout.is_run, 0.0)[:, :, None]).sum(dim=1)

        def noise(variance: torch.Tensor) -> torch.Tensor:
            normal = torch.from_numpy(random.standard_normal(variance.shape)).to(device)
            return variance.clamp(min=0).sqrt() * normal

        gaps = found.gaps.clone()
        gaps[[1, 3]] += noise(sum_bins([spread[0]], self.layout.cuts)[0])
        totals = noise(spread[1:].sum(dim=-1)[:, :, None])[..., 0]
        return dataclasses.replace(
            found,
            gaps=gaps,
            squares=(found.squares + totals[0]).clamp(min=0),
            losses=(found.losses + totals[1]).clamp(min=0),
        )

    def _replicate(self, counts: torch.Tensor, sums: torch.Tensor) -> Replicates:
        """Return replicates with counts (2, R, K), and sums (MOMENTS, 2, R, K)."""
        positives, negatives = counts
        probabilities, squares, losses = sums.sum(dim=1)
        mass, gaps, of_squares = sum_bins(
            [positives + negatives, probabilities - positives, squares], self.layout.cuts
        )
        return Replicates(
            self.layout,
            positives,
            negatives,
            None,
            torch.stack([mass, gaps, mass, gaps, of_squares]),
            squares.sum(dim=-1),
            losses.sum(dim=-1),
        )


def _sum_moments(p: torch.Tensor, places: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return the sums of each moment and of its square over bands, (2, MOMENTS, 2, K).

    Args:
        p: (n,) probabilities of rows in the order of the bands.
        places: of the positives among them.
        ends: (K,) of the bands, in rows.
    """
    found = torch.searchsorted(places, ends)
    limit = torch.finfo(p.dtype).eps
    clipped = p.clamp(limit, 1 - limit)
    at = p[places]
    positives = at, (1 - at) ** 2, -clipped[places].log()
    negatives = p, p**2, -torch.log1p(-clipped)
    sums = []
    for of_positives, of_rows in zip(positives, negatives, strict=True):
        of_negatives = of_rows.index_fill(0, places, 0.0)
        for power in (1, 2):
            sums.append(sums_between(of_positives**power, found))
            sums.append(sums_between(of_negatives**power, ends))
    return torch.stack(sums).reshape(MOMENTS, 2, 2, len(ends)).transpose(0, 1)
