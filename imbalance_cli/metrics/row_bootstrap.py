"""A bootstrap of rows, or of whole groups: each replicate reweights the one sort of the rows.

Shapes: N rows, U units that are drawn (rows, or groups), L labels, R replicates, K bands.

One draw of units serves every label, so that averages over labels have an interval too. Rows have
weights; a row that is drawn twice counts as two rows of its weight.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

from imbalance_cli.metrics.replicates import Layout, Replicates, sum_bins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imbalance_cli.metrics.bands import Bands
    from imbalance_cli.metrics.replicates import Levels

MOST_CELLS = 4_000_000  # of draws that are held at a time


@dataclasses.dataclass(frozen=True)
class Units:
    """What is drawn.

    Attributes:
        of_row: (N,) the unit of each row, from 0.
        size: U.
    """

    of_row: NDArray[np.intp]
    size: int

    @classmethod
    def of(cls, rows: int, groups: torch.Tensor | None = None) -> Units:
        """Return rows as units, or the groups that (N,) numbers name."""
        if groups is None:
            return cls(np.arange(rows), rows)
        names, of_row = np.unique(groups.cpu().numpy(), return_inverse=True)
        return cls(of_row, len(names))

    def draw(self, replicates: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Yield (N, r) how often each row was drawn, of some replicates at a time."""
        random = np.random.default_rng(seed)
        at_once = max(MOST_CELLS // max(len(self.of_row), 1), 1)
        for start in range(0, replicates, at_once):
            counts = [
                np.bincount(random.integers(self.size, size=self.size), minlength=self.size)
                for _ in range(min(at_once, replicates - start))
            ]
            yield np.stack(counts, axis=1)[self.of_row].astype(np.float64)


@dataclasses.dataclass(frozen=True)
class BandRows:
    """What the rows of each label add to the sums of their bands.

    Attributes:
        layout: of the bands.
        sums: (L,) matrices (F K, N) of the F sums over each band, times how often rows are drawn.
        features: F.
    """

    layout: Layout
    sums: list[csr_matrix]
    features: int

    @classmethod
    def of(
        cls,
        bands: Bands,
        levels: Levels,
        weights: torch.Tensor | None = None,
        cells_of_a_row: int = 1,
    ) -> BandRows:
        """Return what rows add.

        Args:
            bands: of their ranking.
            levels: of the metrics.
            weights: (N,) as many as are ranked.
            cells_of_a_row: so many after another of those that are ranked are drawn together.
        """
        ranking = bands.ranking
        known = ranking.positives + ranking.negatives
        w = known if weights is None else weights.double()[ranking.order] * known
        p = ranking.scores.where(known > 0, 0.5)
        gap = (p - ranking.positives) * known
        limit = torch.finfo(p.dtype).eps
        right = torch.where(ranking.positives > 0, p, 1 - p).clamp(limit, 1 - limit)
        values = [ranking.positives * w, ranking.negatives * w, w * gap, w * gap**2]
        values.append(-w * right.log())
        if weights is not None:
            values += [known, w**2, w**2 * gap, (w * gap) ** 2]
        stacked = torch.stack(values, dim=1).cpu().numpy()
        order = (ranking.order // cells_of_a_row).cpu().numpy()
        width = order.shape[1] // cells_of_a_row
        labels = zip(stacked, order, bands.ends.cpu().numpy(), strict=True)
        sums = [_sum_by_band(*label, width) for label in labels]
        return cls(Layout.of(bands, levels), sums, len(values))

    def select(self, labels: slice) -> BandRows:
        """Return those of some labels."""
        return BandRows(self.layout.select(labels), self.sums[labels], self.features)

    def itself(self) -> Replicates:
        """Return the data as one replicate, (L, 1, ...)."""
        return self.sum(np.ones((self.sums[0].shape[1], 1)))

    def sum(self, counts: NDArray[np.float64]) -> Replicates:
        """Return the replicates that drew rows so often, (N, r)."""
        device = self.layout.cuts.device
        products = np.stack([matrix @ counts for matrix in self.sums])
        bands = self.layout.is_run.shape[-1]
        shape = (len(self.sums), self.features, bands, counts.shape[1])
        parts = torch.from_numpy(products.reshape(shape)).to(device).permute(1, 0, 3, 2)
        positives, negatives, gaps, squares, losses, *weighted = parts
        mass = positives + negatives
        rows, w2, w2_gaps, w2_squares = weighted or (mass, mass, gaps, squares)
        return Replicates(
            self.layout,
            positives,
            negatives,
            rows if weighted else None,
            sum_bins([mass, gaps, w2, w2_gaps, w2_squares], self.layout.cuts),
            squares.sum(dim=-1),
            losses.sum(dim=-1),
        )


def _sum_by_band(
    values: NDArray[np.float64], order: NDArray[np.intp], ends: NDArray[np.intp], rows: int
) -> csr_matrix:
    """Return (F K, rows), of values (F, N) in the order of a ranking whose bands end at (K,)."""
    features = len(values)
    known = int(ends[-1])
    starts = known * np.arange(features)[:, None]
    return csr_matrix(
        (
            values[:, :known].flatten(),
            np.tile(order[:known], features),
            np.concatenate([[0], (ends + starts).flatten()]),
        ),
        shape=(features * len(ends), rows),
    )
