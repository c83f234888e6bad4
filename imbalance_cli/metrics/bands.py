"""Bands: neighbouring rows of a label's ranking, between which no metric looks.

Shapes: N rows, M of them with a known target, P positives, K bands, B bins of the calibration
error.

The rows of a label are sorted by falling probability. The negatives between two positives matter to
a ranking only through how many they are, so they are one band; so is a run of equal probabilities
that has a positive. With P positives there are about 2 P bands, however many negatives there are.
Bands also end at the threshold, and where the calibration error cuts its bins. No metric can tell
such bands from the rows. Where positives are many, bands are merged into quantiles of them, and a
band of several runs is only nearly what its rows are.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.metrics.checks import check_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

BINS = 10  # of the calibration error
MOST_BANDS = 1024  # quantiles of the positives
ROWS_AT_ONCE = 2**20  # whose losses are summed together


@dataclasses.dataclass(frozen=True)
class Bands:
    """The bands of one label, from the highest probability down.

    Attributes:
        order: (M,) row numbers by falling probability.
        keys: (M,) rising: the probabilities times -1.
        places: (P,) where the positives are in that order.
        ends: (K,) the number of rows through each band.
        is_run: (K,) whether all rows of a band have the same probability.
        marks: where a band ends for the sake of the threshold or a bin, in rows.
        decided: how many rows lie at or above the threshold.
        cut_runs: (B + 1,) where the run begins in which a bin is cut, in rows.
        cut_shares: (B + 1,) how much of the run lies before the cut.
    """

    order: torch.Tensor
    keys: torch.Tensor
    places: torch.Tensor
    ends: torch.Tensor
    is_run: torch.Tensor
    marks: torch.Tensor
    decided: torch.Tensor
    cut_runs: torch.Tensor
    cut_shares: torch.Tensor

    @classmethod
    def of(
        cls,
        probabilities: torch.Tensor,
        targets: torch.Tensor,
        threshold: float,
        weights: torch.Tensor | None = None,
    ) -> Bands:
        """Sort rows, of which at least one has a known target, and say where their bands end.

        Args:
            probabilities: (N,).
            targets: (N,), NaN where missing.
            threshold: from which a row is decided positive.
            weights: (N,) above 0, by which the bins of the calibration error are of equal mass.

        Raises:
            EvaluationError: the shapes differ.
        """
        check_shapes(probabilities, targets, weights)
        known = ~targets.isnan()
        if known.all():
            order = argsort(-probabilities.double())
        else:
            numbers = known.nonzero()[:, 0]
            order = numbers[argsort(-probabilities[numbers].double())]
        keys = -probabilities[order].double()
        places = (targets[order] == 1).nonzero()[:, 0]
        of_positives = torch.unique_consecutive(keys[places])
        mark = keys.new_tensor([-threshold])
        decided = torch.searchsorted(keys, mark, right=True)
        first, last, share = cut_bins(keys, None if weights is None else weights[order].double())
        marks = torch.cat([decided, first, last, decided.new_tensor([len(keys)])])
        runs = (
            torch.searchsorted(keys, of_positives),
            torch.searchsorted(keys, of_positives, right=True),
        )
        ends = torch.unique_consecutive(torch.cat([*runs, marks]).sort().values)
        ends = ends[ends > 0]
        return cls(order, keys, places, ends, _is_run(keys, ends), marks, decided, first, share)

    def __len__(self) -> int:
        return len(self.ends)

    def through(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how many bands the first `rows` rows are, of row counts at which a band ends."""
        return torch.where(rows > 0, torch.searchsorted(self.ends, rows) + 1, 0)

    def merged(self, most: int = MOST_BANDS) -> Bands:
        """Return the same rows in bands of about P / most positives, where P is more than `most`.

        A run that is as large as the bands are on average stays a band of its own, and so do the
        first `most` / 4 bands, in which few rows make a difference.
        """
        positives = len(self.places)
        if positives <= most:
            return self
        found = torch.searchsorted(self.places, self.ends)
        before = torch.cat([found.new_zeros(1), found[:-1]])
        rows = torch.diff(self.ends, prepend=self.ends.new_zeros(1))
        is_large = ((found - before) * most > positives) | (rows * most > len(self.keys))
        is_alone = self.is_run & is_large
        precedes = torch.cat([is_alone[1:], is_alone.new_zeros(1)])
        crosses = found * most // positives > before * most // positives
        is_first = torch.arange(len(self.ends), device=self.ends.device) < most // 4
        kept = is_first | is_alone | precedes | crosses | torch.isin(self.ends, self.marks)
        ends = self.ends[kept]
        return dataclasses.replace(self, ends=ends, is_run=_is_run(self.keys, ends))


def _is_run(keys: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    return keys[starts] == keys[ends - 1]


def argsort(keys: torch.Tensor) -> torch.Tensor:
    """Return the order of rising keys (..., M); those of equal keys in any order."""
    if keys.device.type == "cpu":  # where numpy sorts in a quarter of the time
        return torch.from_numpy(np.argsort(keys.numpy()))
    return keys.argsort()


def row_blocks(ends: torch.Tensor) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """Yield blocks of rows: which rows, which bands they touch, and where these end in the block.

    What is summed over bands need so not be there of all rows at once.

    Args:
        ends: (K,) rising, in rows, each above 0; the last is the number of rows.
    """
    size = int(ends[-1]) if len(ends) else 0
    for start in range(0, size, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, size)
        first = int(torch.searchsorted(ends, start, right=True))
        last = int(torch.searchsorted(ends, stop))
        yield (
            slice(start, stop),
            slice(first, last + 1),
            ends[first : last + 1].clamp(max=stop) - start,
        )


def sums_between(values: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return (K,) the sums of values (n,) between one of `ends`, in rows, and the next."""
    reached = torch.cat([values.new_zeros(1), values]).cumsum(0)[ends]
    return reached.diff(prepend=reached.new_zeros(1))


def cut_bins(
    keys: torch.Tensor, weights: torch.Tensor | None, bins: int = BINS
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return where the calibration error cuts its bins, (B + 1,) each, in rows from the top.

    A cut falls in a run of equal probabilities; what is returned is where that run begins, where it
    ends, and how much of it lies before the cut. Cuts are in the order of rising probability.

    Args:
        keys: (M,) rising, of falling probabilities.
        weights: (M,) of the rows, by which bins are of equal mass; None for alike.
        bins: B.
    """
    number = torch.arange(bins + 1, device=keys.device)
    size = len(keys)
    if weights is None:
        cuts = size - (number * (size // bins) + number.clamp(max=size % bins))
        at = cuts.clamp(max=size - 1)
    else:
        reached = torch.nn.functional.pad(weights.cumsum(0), (1, 0))
        heights = reached[-1] * (1 - number.double() / bins)
        at = torch.searchsorted(reached, heights).sub(1).clamp(min=0, max=size - 1)
    first = torch.searchsorted(keys, keys[at])
    last = torch.searchsorted(keys, keys[at], right=True)
    if weights is None:
        return first, last, (cuts - first).double() / (last - first)
    start, end = reached[first], reached[last]
    return first, last, ((heights - start) / (end - start)).clamp(min=0, max=1)
