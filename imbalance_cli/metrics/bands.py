"""Bands: neighbouring rows of a ranking, between which no metric looks.

Shapes: N rows, L labels, K bands, B bins of the calibration error.

The rows of a label are sorted by falling probability. The negatives between two positives matter to
a ranking only through how many they are, so they are one band; so is a run of equal probabilities.
With P positives there are about 2 P bands, however many negatives there are. Where positives are
many, quantiles of them are bands instead. Bands also end at the threshold, and where the
calibration error cuts its bins.
"""

from __future__ import annotations

import dataclasses

import torch

from imbalance_cli.metrics.ranking import Ranking

BINS = 10  # of the calibration error
MOST_BANDS = 2048  # quantiles of the positives


@dataclasses.dataclass(frozen=True)
class Bands:
    """Where the bands of sorted rows end; labels that have fewer than others have empty ones.

    Attributes:
        ranking: (L, N) of the known rows, missing ones last.
        ends: (L, K) the number of rows through each band.
        is_run: (L, K) whether a band is one run of equal probabilities, or has no positive.
        decided: (L,) how many bands lie at or above the threshold.
        cuts: (L, B + 1) where the bins of the calibration error are cut, in bands from the top;
            a fraction is the share of a run.
    """

    ranking: Ranking
    ends: torch.Tensor
    is_run: torch.Tensor
    decided: torch.Tensor
    cuts: torch.Tensor

    @classmethod
    def of(
        cls,
        probabilities: torch.Tensor,
        targets: torch.Tensor,
        thresholds: torch.Tensor,
        weights: torch.Tensor | None = None,
        most: int = MOST_BANDS,
    ) -> Bands:
        """Sort rows, at least one, and say where their bands end.

        Args:
            probabilities: (N, L).
            targets: (N, L), NaN where missing.
            thresholds: (L,).
            weights: (N,) above 0, by which the bins of the calibration error are of equal mass.
            most: quantiles of the positives, where these are more.
        """
        known = ~targets.isnan()
        ranking = Ranking.of(probabilities.double().where(known, -torch.inf), targets)
        size = known.sum(dim=0)[:, None]
        decided = (ranking.scores >= thresholds.double()[:, None]).sum(dim=1, keepdim=True)
        first, last, share = cut_bins(ranking, known, weights)
        is_end = _ends_of_ranking(ranking, size, most)
        marks = torch.cat([decided, first, last, size], dim=1)
        marked = torch.nn.functional.pad(torch.zeros_like(is_end), (1, 0)).scatter(
            1, marks, value=True
        )
        index = torch.arange(len(targets), device=size.device)
        is_end = (is_end | marked[:, 1:]) & (index < size)
        counts = is_end.sum(dim=1)
        label, row = is_end.nonzero(as_tuple=True)
        place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[label]
        ends = size.repeat(1, int(counts.max()))
        ends[label, place] = row + 1
        starts = torch.nn.functional.pad(ends[:, :-1], (1, 0)).clamp(max=len(targets) - 1)
        return cls(
            ranking,
            ends,
            ranking.last.gather(1, starts) + 1 == ends,
            _number_through(ends, decided)[:, 0],
            _number_through(ends, first) + share,
        )

    def number_of_row(self) -> torch.Tensor:
        """Return (L, N) the band of each row in the order of the ranking; K for missing ones."""
        shape = self.ranking.scores.shape
        index = torch.arange(shape[1], device=self.ends.device).expand(shape).contiguous()
        return torch.searchsorted(self.ends, index, right=True)

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., L, K) the sums over each band of values (..., L, N) in sorted order."""
        reached = torch.nn.functional.pad(values.cumsum(dim=-1), (1, 0))
        through = reached.gather(-1, self.ends.expand(*values.shape[:-1], -1))
        return torch.diff(through, dim=-1, prepend=torch.zeros_like(through[..., :1]))


def _ends_of_ranking(ranking: Ranking, size: torch.Tensor, most: int) -> torch.Tensor:
    """Return (L, N) whether a band ends with a row, for what the ranking alone asks.

    A run is a band of its own if it has positives, or, where these are more than `most`, if it is
    as large as the bands are on average.
    """
    found = torch.nn.functional.pad(ranking.positives.cumsum(dim=1), (1, 0))
    before, through = found.gather(1, ranking.first), found.gather(1, ranking.last + 1)
    total = found[:, -1:]
    length = ranking.last - ranking.first + 1
    is_large = ((through - before) * most > total) | (length * most > size)
    is_few = total <= most
    is_alone = torch.where(is_few, through > before, is_large)
    quantile = most / total
    crosses = (through * quantile).floor() > (before * quantile).floor()
    precedes = torch.zeros_like(is_alone)
    precedes[:, :-1] = is_alone[:, 1:]
    index = torch.arange(length.shape[1], device=length.device)
    return (index == ranking.last) & (is_alone | precedes | (crosses & ~is_few))


def _number_through(ends: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return how many bands the first `rows` rows are, of row counts at which a band ends."""
    return torch.where(rows > 0, torch.searchsorted(ends, rows) + 1, 0)


def cut_bins(
    ranking: Ranking, known: torch.Tensor, weights: torch.Tensor | None, bins: int = BINS
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return where the calibration error cuts its bins, (L, B + 1) each, rows counted from the top.

    A cut falls in a run of equal probabilities; what is returned is where that run begins, where it
    ends, and how much of it lies before the cut.

    Args:
        ranking: of all rows, missing ones last; it falls, where bins are of rising probability.
        known: (N, L) whether a target is.
        weights: (N,) of the rows.
        bins: B.
    """
    number = torch.arange(bins + 1, device=known.device)
    if weights is None:
        size = known.sum(dim=0)[:, None]
        cuts = size - (number * (size // bins) + number.minimum(size % bins))
        at = cuts.clamp(max=len(known) - 1)
        before, after = ranking.first.gather(1, at), ranking.last.gather(1, at) + 1
        return before, after, (cuts - before).double() / (after - before)
    mass = weights.double()[ranking.order] * known.T.gather(1, ranking.order)
    reached = torch.nn.functional.pad(mass.cumsum(dim=1), (1, 0))
    heights = reached[:, -1:] * (1 - number.double() / bins)
    # the row in which each cut falls; missing rows come last, and weigh nothing
    at = torch.searchsorted(reached, heights).sub(1).clamp(min=0)
    before, after = ranking.first.gather(1, at), ranking.last.gather(1, at) + 1
    start, end = reached.gather(1, before), reached.gather(1, after)
    return before, after, ((heights - start) / (end - start)).nan_to_num(0.0)
