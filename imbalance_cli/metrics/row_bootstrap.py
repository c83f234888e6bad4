"""A bootstrap of rows, or of whole groups of them: each replicate reweights the one sort of the rows.

Shapes: N rows, U units that are drawn (rows, or groups), L labels, R replicates, K bands.

One draw of units serves every label, so that averages over labels have an interval too. Rows have
weights; a row that is drawn twice counts as two rows of its weight.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics.replicates import Layout, Replicates, sum_bins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.metrics.bands import Bands
    from imbalance_cli.metrics.replicates import Levels


@dataclasses.dataclass(frozen=True)
class Units:
    """What is drawn.

    Attributes:
        of_row: (N,) the unit of each row, from 0.
        size: U.
    """

    of_row: torch.Tensor
    size: int

    @classmethod
    def of(cls, rows: int, groups: torch.Tensor | None = None) -> Units:
        """Return rows as units, or the groups that (N,) numbers name."""
        if groups is None:
            return cls(torch.arange(rows), rows)
        of_row = torch.unique(groups.cpu(), return_inverse=True)[1]
        return cls(of_row, int(of_row.max()) + 1 if rows else 0)

    def draw(self, replicates: int, seed: int, at_once: int) -> Iterator[torch.Tensor]:
        """Yield (N, r) how often each row was drawn, `at_once` replicates at a time."""
        random = np.random.default_rng(seed)
        for start in range(0, replicates, at_once):
            counts = [
                np.bincount(random.integers(self.size, size=self.size), minlength=self.size)
                for _ in range(min(at_once, replicates - start))
            ]
            yield torch.from_numpy(np.stack(counts, axis=1))[self.of_row].double()


@dataclasses.dataclass(frozen=True)
class BandRows:
    """The rows of each label in the order of their ranking, and what each adds to its band.

    Attributes:
        layout: of the bands.
        order: (L, N) the number of each row.
        band: (L, N) the band of each row, over all labels from 0; of missing rows one of its own.
        width: K + 1.
        values: (F, L, N) what a row adds to the sums of its band.
    """

    layout: Layout
    order: torch.Tensor
    band: torch.Tensor
    width: int
    values: torch.Tensor

    @classmethod
    def of(cls, bands: Bands, levels: Levels, weights: torch.Tensor | None = None) -> BandRows:
        """Return the rows of bands, weighted by (N,)."""
        ranking = bands.ranking
        labels, width = len(bands.ends), bands.ends.shape[1] + 1
        band = bands.number_of_row() + width * torch.arange(labels, device=bands.ends.device)[:, None]
        known = ranking.positives + ranking.negatives
        w = known if weights is None else weights.double()[ranking.order] * known
        p = ranking.scores.where(known > 0, 0.5)
        gap = (p - ranking.positives) * known
        limit = torch.finfo(p.dtype).eps
        right = torch.where(ranking.positives > 0, p, 1 - p).clamp(limit, 1 - limit)
        values = [ranking.positives * w, ranking.negatives * w, w * gap, w * gap**2]
        values.append(-w * right.log() * known)
        if weights is not None:
            values += [known, w**2, w**2 * gap, (w * gap) ** 2]
        return cls(Layout.of(bands, levels), ranking.order, band, width, torch.stack(values))

    def sum(self, counts: torch.Tensor) -> Replicates:
        """Return the replicates that drew rows so often, (N, r)."""
        drawn = counts.to(self.order.device)[self.order.flatten()]
        shape = (len(self.order), self.width, drawn.shape[1])
        parts = []
        for values in self.values:
            sums = drawn.new_zeros(shape[0] * shape[1], shape[2])
            sums.index_add_(0, self.band.flatten(), drawn * values.reshape(-1, 1))
            parts.append(sums.reshape(shape).transpose(1, 2)[..., :-1])
        positives, negatives, gaps, squares, losses, *weighted = parts
        mass = positives + negatives
        rows, w2, w2_gaps, w2_squares = weighted or (mass, mass, gaps, squares)
        bins = [mass, gaps, w2, w2_gaps, w2_squares]
        return Replicates(
            self.layout,
            positives,
            negatives,
            rows if weighted else None,
            sum_bins(bins, self.layout.cuts),
            squares.sum(dim=-1),
            losses.sum(dim=-1),
        )
