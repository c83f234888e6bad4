"""A bootstrap of rows, or of whole groups: each replicate reweights the one sort of the rows.

Shapes: N rows, U units that are drawn (rows, or groups), R replicates, K bands.

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

    def count_rarer(self, targets: torch.Tensor) -> int:
        """Return how many units have a positive, or a negative if these are fewer.

        Args:
            targets: (N, ...), NaN where missing.
        """
        cells = targets.reshape(len(targets), -1)
        found = [
            len(np.unique(self.of_row[(cells == side).any(dim=1).cpu().numpy()])) for side in (0, 1)
        ]
        return min(found)

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
    """What the rows of one label add to the sums of their bands.

    Attributes:
        layout: of the bands.
        sums: (F K, N) times how often rows are drawn gives the F sums over each band.
        features: F.
    """

    layout: Layout
    sums: csr_matrix
    features: int

    @classmethod
    def of(
        cls,
        bands: Bands,
        rows: int,
        weights: torch.Tensor | None = None,
        cells_of_a_row: int = 1,
    ) -> BandRows:
        """Return what rows add.

        Args:
            bands: of their ranking.
            rows: N.
            weights: of as many as the order of the bands numbers.
            cells_of_a_row: so many after another of those that are ranked are drawn together.
        """
        p = -bands.keys
        positive = torch.zeros_like(p).index_fill(0, bands.places, 1.0)
        w = torch.ones_like(p) if weights is None else weights[bands.order].double()
        gap = p - positive
        limit = torch.finfo(p.dtype).eps
        right = torch.where(positive > 0, p, 1 - p).clamp(limit, 1 - limit)
        values = [w * positive, w * (1 - positive), w * gap, w * gap**2, -w * right.log()]
        if weights is not None:
            values += [torch.ones_like(p), w**2, w**2 * gap, (w * gap) ** 2]
        order = (bands.order // cells_of_a_row).cpu().numpy()
        ends = bands.ends.cpu().numpy() + bands.size * np.arange(len(values))[:, None]
        sums = csr_matrix(
            (
                torch.cat(values).cpu().numpy(),
                np.tile(order, len(values)),
                np.append(0, ends.flatten()),
            ),
            shape=(len(values) * len(bands), rows),
        )
        return cls(Layout.of(bands), sums, len(values))

    def __len__(self) -> int:
        return len(self.layout.is_run)

    def itself(self) -> Replicates:
        """Return the data as one replicate."""
        return self.sum(np.ones((self.sums.shape[1], 1)))

    def sum(self, counts: NDArray[np.float64]) -> Replicates:
        """Return the replicates that drew rows so often, (N, R)."""
        products = (self.sums @ counts).reshape(self.features, -1, counts.shape[1])
        parts = torch.from_numpy(products).to(self.layout.cuts.device).transpose(1, 2)
        positives, negatives, gaps, squares, losses, *weighted = parts.contiguous()
        mass = positives + negatives
        rows, *squared = weighted or (mass, mass, gaps, squares)
        return Replicates(
            self.layout,
            positives,
            negatives,
            rows if weighted else None,
            sum_bins([mass, gaps, *squared], self.layout.cuts),
            squares.sum(dim=-1),
            losses.sum(dim=-1),
        )
