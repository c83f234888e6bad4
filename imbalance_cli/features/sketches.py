"""Statistics of a stream in bounded memory: quantiles, how many distinct, which are frequent.

Each is exact up to a size that it is given, and says how wrong it can be beyond. No random numbers
are drawn. What is added is handled in sections of a fixed length, so the result depends on the
order of the stream and not on how it was cut into batches.

Shapes: n values so far, K what is kept.

- quantiles: Munro & Paterson 1980; Manku, Rajagopalan & Lindsay 1998: a sorted buffer is halved by
  keeping every other item with twice the weight. Karnin, Lang & Liberty 2016 toss a coin for which
  half; here the halves take turns, which makes the bound certain rather than likely;
- distinct: the K smallest hashes (Bar-Yossef et al. 2002), (K - 1) / (the largest of them) being
  unbiased with a relative standard error of 1 / sqrt(K - 2) (Beyer et al. 2007);
- frequent: Misra & Gries 1982, batches merged as by Agarwal et al. 2013.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EXACT = 2**16
"""So many distinct values are kept as they are."""
WIDTH = 2**14  # items of a level before it is halved
CHARACTERS = 2**25  # of all the texts that are kept
HASHES = 2.0**64
NO_TEXTS = pl.DataFrame(schema={"text": pl.String, "rows": pl.Int64})


class QuantileSketch:
    """Quantiles of a stream of numbers.

    Args:
        exact: up to so many distinct values, the quantiles are numpy's, to the bit.
        width: items of a level before it is halved. Beyond `exact`, a rank is off by less than
            n * log2(n / width) / (2 * width); `rank_error` is the bound of this very stream.
    """

    def __init__(self, exact: int = EXACT, width: int = WIDTH) -> None:
        self.count = 0
        self.rank_error = 0
        """How many places, of `count`, a quantile can be off by."""
        self._exact, self._width = exact, width
        self._lowest, self._highest = np.inf, -np.inf
        self._pending: list[NDArray[np.float64]] = []
        self._pending_count = 0
        self._values = np.empty(0)  # (K,) distinct and ascending, while they are few
        self._counts = np.empty(0, np.int64)
        self._levels: list[NDArray[np.float64]] = []  # items of level i stand for 2^i values each
        self._over = self._under = 0  # ranks that halving may have added, and taken away

    @property
    def is_exact(self) -> bool:
        """Whether all distinct values are still known."""
        return not self._levels

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in numbers, (n,), none of them NaN; the array is kept."""
        if not len(values):
            return
        self.count += len(values)
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))
        self._wait(values)

    def quantiles(self, shares: Sequence[float]) -> NDArray[np.float64]:
        """Return the quantiles, linearly interpolated between neighbours as numpy's are.

        Raises:
            ValueError: there are no values.
        """
        if not self.count:
            raise ValueError("quantiles of no values")
        waiting = self._pending or [np.empty(0)]
        if not self._levels and not len(self._values):
            return _quantiles(np.concatenate(waiting), shares)
        levels = [np.repeat(2**number, len(items)) for number, items in enumerate(self._levels)]
        items = np.concatenate([self._values, *self._levels, *waiting])
        weights = np.concatenate([self._counts, *levels, np.ones(self._pending_count, np.int64)])
        order = np.argsort(items, kind="stable")
        items, ends = items[order], np.cumsum(weights[order])
        return np.array([self._quantile(items, ends, share) for share in shares])

    def _quantile(
        self, items: NDArray[np.float64], ends: NDArray[np.int64], share: float
    ) -> np.float64:
        """Return one quantile of items whose last rank, from 1 up, is given."""
        if share in {0, 1}:
            return np.float64(self._highest if share else self._lowest)
        place = (self.count - 1) * share
        below = int(place)
        neighbours = np.searchsorted(ends, [below, min(below + 1, self.count - 1)], side="right")
        low, high = items[neighbours]
        return _lerp(low, high, place - below)

    def _wait(self, values: NDArray[np.float64]) -> None:
        self._pending.append(values)
        self._pending_count += len(values)
        if self._pending_count <= self._exact:
            return
        waiting = np.concatenate(self._pending)
        first = 0
        while len(waiting) - first > self._exact:
            section = waiting[first : first + self._exact]
            first += self._exact
            if self.is_exact:
                self._absorb(*np.unique(section, return_counts=True))
            else:
                self._push(0, section)
                self._halve_levels()
        self._pending = [waiting[first:].copy()]
        self._pending_count = len(waiting) - first

    def _absorb(self, values: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        """Take in distinct values and how often each comes."""
        both = np.concatenate([self._values, values])
        self._values, places = np.unique(both, return_inverse=True)
        sums = np.zeros(len(self._values), np.int64)
        np.add.at(sums, places, np.concatenate([self._counts, counts]))
        self._counts = sums
        if len(self._values) > self._exact:
            self._leave_exact()

    def _leave_exact(self) -> None:
        values, counts = self._values, self._counts
        self._values, self._counts = np.empty(0), np.empty(0, np.int64)
        self._levels = [np.empty(0)]
        for number in range(int(counts.max(initial=0)).bit_length()):
            self._push(number, values[(counts >> number) & 1 == 1])
        self._halve_levels()

    def _push(self, number: int, items: NDArray[np.float64]) -> None:
        while len(self._levels) <= number:
            self._levels.append(np.empty(0))
        self._levels[number] = np.concatenate([self._levels[number], items])

    def _halve_levels(self) -> None:
        number = 0
        while number < len(self._levels):
            if len(self._levels[number]) >= self._width:
                items = np.sort(self._levels[number])
                even = len(items) // 2 * 2
                is_over = self._over <= self._under
                # of r items up to a query the even places keep r or r + 1, the odd r or r - 1
                self._levels[number] = items[even:]
                self._push(number + 1, items[0 if is_over else 1 : even : 2])
                self._over += 2**number * is_over
                self._under += 2**number * (not is_over)
            number += 1
        self.rank_error = max(self._over, self._under)


def _quantiles(values: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.float64]:
    """Return what `numpy.quantile` does, in a tenth of its time for few values."""
    places = [(len(values) - 1) * share for share in shares]
    below = [int(place) for place in places]
    above = [min(place + 1, len(values) - 1) for place in below]
    ordered = np.partition(values, [*below, *above])
    pairs = zip(ordered[below], ordered[above], places, below, strict=True)
    return np.array([_lerp(low, high, place - first) for low, high, place, first in pairs])


def _lerp(low: np.float64, high: np.float64, share: float) -> np.float64:
    """Return what lies between two values, rounded as numpy does."""
    gap = high - low
    return low + gap * share if share < 0.5 else high - gap * (1 - share)  # noqa: PLR2004


class DistinctCounter:
    """How many distinct cells a stream has; neither order nor batches matter.

    Args:
        exact: the count is right below so many distinct cells, but for two that share their hash
            of 64 bits; beyond, 99.7% of estimates are within 3 / sqrt(exact).
    """

    def __init__(self, exact: int = EXACT) -> None:
        self._size = exact + 1
        self._hashes = np.empty(0, np.uint64)  # ascending

    @property
    def is_exact(self) -> bool:
        """Whether the count is no estimate."""
        return len(self._hashes) < self._size

    @property
    def count(self) -> int:
        """The number of distinct cells."""
        if self.is_exact:
            return len(self._hashes)
        return round((self._size - 1) * HASHES / (float(self._hashes[-1]) + 1))

    def add(self, cells: pl.Series) -> None:
        """Take in cells, (n,) of any one type; nulls do not count."""
        self.add_hashes(np.unique(cells.drop_nulls().hash(seed=0).to_numpy()))

    def add_hashes(self, hashes: NDArray[np.uint64]) -> None:
        """Take in cells by what `polars.Series.hash` gives with the seed 0, (n,), rising."""
        if not self.is_exact:
            hashes = hashes[hashes < self._hashes[-1]]
        if not len(self._hashes):
            self._hashes = hashes[: self._size]
        elif len(hashes):
            self._hashes = np.unique(np.concatenate([self._hashes, hashes]))[: self._size]


class FrequentTexts:
    """How often each text of a stream comes, for those that come often.

    Args:
        exact: up to so many distinct texts, and `characters` of them, all are counted; beyond, a
            count may be `error` too low, which is at most n / exact where the texts are short.
        characters: how long all the texts that are kept may be together, in bytes.
    """

    def __init__(self, exact: int = EXACT, characters: int = CHARACTERS) -> None:
        self.error = 0
        """How much lower than the truth a count can be; a text left out came no more often."""
        self.counts = NO_TEXTS
        """The texts in ascending order, and in how many rows each was seen."""
        self._exact, self._characters = exact, characters

    @property
    def is_exact(self) -> bool:
        """Whether all texts are counted."""
        return self.error == 0

    def add(self, texts: pl.Series) -> None:
        """Take in texts, (n,); nulls do not count."""
        column = pl.DataFrame({"text": texts.drop_nulls()})
        self._keep(column.group_by("text").agg(pl.len().cast(pl.Int64).alias("rows")))

    def _keep(self, counts: pl.DataFrame) -> None:
        if self.counts.height:
            both = pl.concat([self.counts, counts])
            counts = both.group_by("text").agg(pl.col("rows").sum())
        size = counts["text"].str.len_bytes().sum()
        if counts.height <= self._exact and size <= self._characters:
            self.counts = counts.sort("text")
            return
        counts = counts.sort("rows", "text", descending=[True, False])
        sizes = counts["text"].str.len_bytes().cum_sum()
        fitting = min(int((sizes <= self._characters).sum()), self._exact)
        cut = int(counts["rows"][fitting])
        self.error += cut
        self.counts = (
            counts.with_columns(pl.col("rows") - cut).filter(pl.col("rows") > 0).sort("text")
        )
