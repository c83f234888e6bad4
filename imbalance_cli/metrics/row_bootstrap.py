"""A bootstrap of rows, or of whole groups: each replicate reweights the one sort of the rows.

Shapes: N rows, U units that are drawn (rows, groups, or blocks of them), R replicates, K bands.

One draw of units serves every label, so that averages over labels have an interval too. Rows have
weights; a row that is drawn twice counts as two rows of its weight.

Where there are too many units to draw, they are put into blocks at random, and blocks are drawn:
what is summed over blocks of independent units varies as these do (the random groups of Wolter
2007, Introduction to Variance Estimation, chapter 2), and a replicate costs the number of blocks.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

from imbalance_cli.metrics.proportions import Cases
from imbalance_cli.metrics.replicates import Layout, Replicates, sum_bins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imbalance_cli.metrics.bands import Bands

MOST_CELLS = 4_000_000  # of draws that are held at a time
DENSE = 2  # sums of units in bands that are held all, for each row
TINY = np.finfo(np.float64).tiny


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

    def select(self, rows: torch.Tensor) -> Units:
        """Return the same units for some rows, by their numbers."""
        return Units(self.of_row[rows.cpu().numpy()], self.size)

    def in_blocks(self, blocks: int, seed: int) -> Units:
        """Return blocks of about as many units each, put together at random; or few as they are."""
        if self.size <= blocks:
            return self
        block = np.random.default_rng(seed).permutation(self.size) % blocks
        return Units(block[self.of_row], blocks)

    def draw(self, replicates: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Yield (U, r) how often each unit was drawn, of some replicates at a time."""
        random = np.random.default_rng(seed)
        at_once = max(MOST_CELLS // max(self.size, 1), 1)
        for start in range(0, replicates, at_once):
            counts = [
                np.bincount(random.integers(self.size, size=self.size), minlength=self.size)
                for _ in range(min(at_once, replicates - start))
            ]
            yield np.stack(counts, axis=1).astype(np.float64)


@dataclasses.dataclass(frozen=True)
class BandRows:
    """What the units of one label add to the sums of its bands.

    Attributes:
        layout: of the bands.
        sums: (F K, U) times how often units are drawn gives the F sums over each band; sparse where
            few units are in a band.
        features: F.
    """

    layout: Layout
    sums: csr_matrix | torch.Tensor
    features: int

    @classmethod
    def of(
        cls,
        bands: Bands,
        units: Units,
        weights: torch.Tensor | None = None,
        cells_of_a_row: int = 1,
    ) -> BandRows:
        """Return what units add.

        Args:
            bands: of the ranking of their rows.
            units: of the N rows.
            weights: of as many as the order of the bands numbers.
            cells_of_a_row: so many after another of those that are ranked are drawn together.
        """
        p = -bands.keys
        positive = torch.zeros_like(p).index_fill(0, bands.places, 1.0)
        w = torch.ones_like(p) if weights is None else weights[bands.order].double()
        values = row_sums(p, positive, w, is_weighted=weights is not None)
        sums = sum_units(values, bands.order // cells_of_a_row, bands.ends, units)
        return cls(Layout.of(bands), sums, len(values))

    def __len__(self) -> int:
        return len(self.layout.is_run)

    @property
    def units(self) -> int:
        """U."""
        return int(self.sums.shape[1])

    def count_rarer(self) -> int:
        """Return how many units have a positive, or a negative if these are fewer."""
        return min(int((self._totals(side, len(self)) > 0).sum()) for side in (0, 1))

    def itself(self) -> Replicates:
        """Return the data as one replicate."""
        return self.sum(np.ones((self.units, 1)))

    def cases(self, top_k: int) -> Cases:
        """Return how many units each proportion is of, in effect (Kish 1965)."""
        decided = self.layout.decided
        positives, negatives = self._totals(0, len(self)), self._totals(1, len(self))
        chosen = self._totals(0, decided) + self._totals(1, decided)
        parts = (positives, negatives, positives + negatives, chosen)
        found = [float(part.sum() ** 2 / max((part**2).sum(), TINY)) for part in parts]
        return Cases(found[0], found[1], found[2], found[3], min(float(top_k), found[2]))

    def _totals(self, feature: int, bands: int) -> NDArray[np.float64]:
        """Return (U,) a feature summed over the first bands."""
        start = feature * len(self)
        of_bands = self.sums[start : start + bands]
        if isinstance(of_bands, torch.Tensor):
            return of_bands.sum(dim=0).cpu().numpy()
        return np.asarray(of_bands.sum(axis=0)).reshape(-1)

    def sum(self, counts: NDArray[np.float64]) -> Replicates:
        """Return the replicates that drew units so often, (U, R)."""
        device = self.layout.cuts.device
        if isinstance(self.sums, torch.Tensor):
            products = self.sums @ torch.from_numpy(counts).to(device)
        else:
            products = torch.from_numpy(self.sums @ counts).to(device)
        parts = products.reshape(self.features, -1, counts.shape[1]).transpose(1, 2)
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


def row_sums(
    p: torch.Tensor, y: torch.Tensor, w: torch.Tensor, *, is_weighted: bool
) -> list[torch.Tensor]:
    """Return what rows (M,) add to each of the sums: F of (M,).

    They are the weight of positives and of negatives, and the weighted gap between probability and
    target, its square and the log loss; of rows that do not all weigh 1 also how many they are,
    w^2, w^2 gap and w^2 gap^2.
    """
    gap = p - y
    limit = torch.finfo(p.dtype).eps
    right = torch.where(y > 0, p, 1 - p).clamp(limit, 1 - limit)
    values = [w * y, w * (1 - y), w * gap, w * gap**2, -w * right.log()]
    if is_weighted:
        values += [torch.ones_like(p), w**2, w**2 * gap, (w * gap) ** 2]
    return values


def sum_units(
    values: list[torch.Tensor], rows: torch.Tensor, ends: torch.Tensor, units: Units
) -> csr_matrix | torch.Tensor:
    """Return (F K, U) values summed over the rows that a unit has in a band.

    Args:
        values: F of (M,), in the order of the bands.
        rows: (M,) the number of each row.
        ends: (K,) of the bands, in rows.
        units: of rows.
    """
    size, bands = units.size, len(ends)
    of_row = units.of_row[rows.cpu().numpy()]
    if size * bands > DENSE * len(rows):
        places = ends.cpu().numpy() + len(rows) * np.arange(len(values))[:, None]
        cells = torch.cat(values).cpu().numpy()
        shape = (len(values) * bands, size)
        return csr_matrix(
            (cells, np.tile(of_row, len(values)), np.append(0, places.flatten())), shape=shape
        )
    band = torch.arange(bands, device=ends.device)
    band = band.repeat_interleave(ends.diff(prepend=ends.new_zeros(1)))
    keys = band * size + torch.from_numpy(of_row).to(ends.device)
    sums = [torch.bincount(keys, weights=each, minlength=bands * size) for each in values]
    return torch.cat(sums).reshape(len(values) * bands, size)
