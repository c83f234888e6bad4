"""What is kept of a column, batch after batch, to know whether it alone tells a label.

A tracker is given up (its owner drops it) once no label is left that it could tell, so that after
a first batch hardly a column is looked at any more. What is found depends neither on the order of
the batches nor on how rows are cut into them; trackers of different rows can be merged.

Shapes: B rows of a batch, L labels, K categories, 2 sides: positives, negatives.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

LEAST = 5  # positives, and negatives, of a label that a column is judged by
LARGEST_CHANCE = 1e-6  # that a column which has nothing to do with the label would tell it
MOST_CATEGORIES = 1_000  # a column of more distinct cells is not judged by them

POSITIVE, NEGATIVE = 0, 1


class Extremes:
    """The least and the largest value of each side of each label.

    A value alone ranks a label perfectly (ROC AUC 1 or 0) just where the two ranges are apart.
    """

    def __init__(self, labels: int) -> None:
        self.counts = np.zeros((2, labels), np.int64)
        self.least = np.full((2, labels), np.inf)
        self.largest = np.full((2, labels), -np.inf)

    @property
    def higher(self) -> Flags:
        """Whether every positive is above every negative, (L,)."""
        result: Flags = self.least[POSITIVE] > self.largest[NEGATIVE]
        return result

    @property
    def lower(self) -> Flags:
        """Whether every positive is below every negative, (L,)."""
        result: Flags = self.largest[POSITIVE] < self.least[NEGATIVE]
        return result

    @property
    def is_open(self) -> bool:
        """Whether there is a label left that the values could tell."""
        return bool((self.higher | self.lower).any())

    def add(self, values: NDArray[np.float64], sides: tuple[Flags, Flags]) -> None:
        """Count values, (B,), NaN where missing, of rows of either side, (B, L) each."""
        known = ~np.isnan(values)
        for label in np.flatnonzero(self.higher | self.lower):
            for side, flags in enumerate(sides):
                chosen = values[flags[:, label] & known]
                if len(chosen):
                    self.counts[side, label] += len(chosen)
                    self.least[side, label] = min(self.least[side, label], chosen.min())
                    self.largest[side, label] = max(self.largest[side, label], chosen.max())

    def grow(self, like: int, added: int) -> None:
        """Append labels that begin with what label number `like` has."""
        for name in ("counts", "least", "largest"):
            setattr(self, name, _repeat_label(getattr(self, name), like, added))

    def merge(self, other: Extremes) -> None:
        """Take in what was counted in other rows."""
        self.counts += other.counts
        self.least = np.minimum(self.least, other.least)
        self.largest = np.maximum(self.largest, other.largest)

    def find(self) -> dict[str, Flags]:
        """Return which labels the values tell, (L,), by how they do."""
        likely = _log_perfect(*self.counts) < math.log(LARGEST_CHANCE)
        return {"higher": self.higher & likely, "lower": self.lower & likely}


class Missing:
    """How many cells of each side of each label are missing, and how many are known."""

    def __init__(self, labels: int) -> None:
        self.missing = np.zeros((2, labels), np.int64)
        self.known = np.zeros((2, labels), np.int64)

    @property
    def is_open(self) -> bool:
        """Whether there is a label left that being missing could tell."""
        ways = ((self.missing, self.known), (self.known, self.missing))
        return any(bool(self._only_positives(*way).any()) for way in ways)

    @staticmethod
    def _only_positives(inside: NDArray[np.int64], outside: NDArray[np.int64]) -> Flags:
        result: Flags = (inside[NEGATIVE] == 0) & (outside[POSITIVE] == 0)
        return result

    def add(self, missing: Flags, sides: tuple[Flags, Flags]) -> None:
        """Count cells, (B,), of rows of either side, (B, L) each."""
        for side, flags in enumerate(sides):
            total = flags.sum(axis=0)
            absent = flags[missing].sum(axis=0)
            self.missing[side] += absent
            self.known[side] += total - absent

    def grow(self, like: int, added: int) -> None:
        """Append labels that begin with what label number `like` has."""
        self.missing = _repeat_label(self.missing, like, added)
        self.known = _repeat_label(self.known, like, added)

    def merge(self, other: Missing) -> None:
        """Take in what was counted in other rows."""
        self.missing += other.missing
        self.known += other.known

    def find(self) -> dict[str, Flags]:
        """Return which labels being missing tells, (L,), by how it does."""
        likely = _log_perfect(*(self.missing + self.known)) < math.log(LARGEST_CHANCE)
        return {
            "missing": self._only_positives(self.missing, self.known) & likely,
            "known": self._only_positives(self.known, self.missing) & likely,
        }


class Categories:
    """How many rows of each side of each label have each text."""

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self._overflow = False
        self._names = _name_sides(labels)
        self._counts = pl.DataFrame(
            schema={"text": pl.String, **dict.fromkeys(self._names, pl.Int64)}
        )

    @property
    def is_open(self) -> bool:
        """Whether there is a label left that the categories could tell."""
        return not self._overflow and bool(self._pure().any())

    def add(self, texts: pl.Series, sides: tuple[Flags, Flags]) -> None:
        """Count texts, (B,), null where missing, of rows of either side, (B, L) each."""
        if texts.n_unique() - (texts.null_count() > 0) > MOST_CATEGORIES:
            self._overflow = True
            return
        cells = np.hstack(sides).astype(np.int64)
        flags = pl.from_numpy(cells, schema=self._names, orient="row")
        self._take(flags.insert_column(0, texts.alias("text")).drop_nulls("text"))

    def grow(self, like: int, added: int) -> None:
        """Append labels that begin with what label number `like` has."""
        fresh = range(self._labels, self._labels + added)
        self._counts = self._counts.with_columns(
            pl.col(f"{side}{like}").alias(f"{side}{label}") for side in "+-" for label in fresh
        )
        self._labels += added
        self._names = _name_sides(self._labels)
        self._counts = self._counts.select("text", *self._names)

    def merge(self, other: Categories) -> None:
        """Take in what was counted in other rows."""
        self._take(other._counts)
        self._overflow |= other._overflow

    def find(self) -> dict[str, Flags]:
        """Return which labels the categories tell, (L,), by how they do."""
        sides = self._sides()
        sizes = sides.sum(axis=1)  # (K, L)
        log_chance = [
            _log_pure(sizes[:, label], *(int(n) for n in sides[:, :, label].sum(axis=0)))
            for label in range(self._labels)
        ]
        return {"category": self._pure() & (np.asarray(log_chance) < math.log(LARGEST_CHANCE))}

    def _take(self, counts: pl.DataFrame) -> None:
        grouped = counts.group_by("text").sum()
        self._counts = pl.concat([self._counts, grouped]).group_by("text").sum()
        self._overflow |= self._counts.height > MOST_CATEGORIES

    def _sides(self) -> NDArray[np.int64]:
        """Return the rows of each category, side and label, (K, 2, L)."""
        return self._counts.select(self._names).to_numpy().reshape(-1, 2, self._labels)

    def _pure(self) -> Flags:
        """Return whether no category has both sides of a label, (L,)."""
        is_mixed = (self._sides() > 0).all(axis=1)  # (K, L)
        return np.asarray(~is_mixed.any(axis=0), np.bool_)


def _name_sides(labels: int) -> list[str]:
    return [f"{side}{label}" for side in "+-" for label in range(labels)]


def _repeat_label(values: NDArray[Any], like: int, added: int) -> NDArray[Any]:
    """Append `added` times what label number `like` has to values, (2, L)."""
    return np.hstack([values, np.repeat(values[:, like : like + 1], added, axis=1)])


def _log_choose(total: float, chosen: float) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def _log_perfect(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log of the chance that an unrelated order or flag separates the sides, (L,).

    That is 2 / C(n, positives): of all ways to place the positives, all first or all last. It is
    0, a chance of 1, where there are fewer than LEAST of either.
    """
    return np.array(
        [
            math.log(2) - _log_choose(p + n, p) if min(p, n) >= LEAST else 0.0
            for p, n in zip(positives.tolist(), negatives.tolist(), strict=True)
        ]
    )


def _log_pure(sizes: NDArray[np.int64], positives: int, negatives: int) -> float:
    """Return a bound on the log of the chance that unrelated categories are all pure.

    Of the C(n, m) ways to place the rarer side's m rows, those that fill some categories: at most
    as many as there are sets of up to m of the k categories that have at most m rows. Ids, each in
    one row, are always pure, and their bound is a chance of 1.
    """
    rarer = min(positives, negatives)
    if rarer < LEAST:
        return 0.0
    small = int(((sizes > 0) & (sizes <= rarer)).sum())
    log_sets = small * math.log(2)
    if rarer < small / 2:
        log_sets = min(log_sets, _log_choose(small, rarer) + math.log(rarer + 1))
    return min(log_sets - _log_choose(positives + negatives, rarer), 0.0)
