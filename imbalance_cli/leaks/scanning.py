"""Features that alone tell a label, and so were likely made from it.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import FeatureError
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.leaks.trackers import Categories, Extremes, Missing
from imbalance_cli.readers.cells import CELL, is_readable, parse_dates, parse_numbers, parse_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.leaks.trackers import Flags
    from imbalance_cli.readers import Table

BATCH_ROWS = 2**16

HOW = {
    "higher": "it is higher for every positive than for any negative",
    "lower": "it is lower for every positive than for any negative",
    "missing": "it is missing for every positive and for no negative",
    "known": "it is known for every positive and for no negative",
    "category": "no value of it has both positives and negatives",
}


@dataclasses.dataclass(frozen=True)
class Leak:
    """A feature that alone tells a label in all rows looked at.

    Attributes:
        column: the feature.
        label: what it tells.
        how: a key of HOW: higher, lower, missing, known or category.
    """

    column: str
    label: str
    how: str

    def describe(self) -> str:
        """Return the leak in words."""
        return f"{self.column!r} alone tells {self.label!r}: {HOW[self.how]}"


class LeakScan:
    """Looks for features that alone tell a label, batch after batch.

    A column of numbers or dates is told by its values where it is known, any column by whether it
    is missing, and one of at most MOST_CATEGORIES distinct texts by these where it is known. Found
    is what is perfect in at least LEAST positives and negatives, and in so many that an unrelated
    column would be so with a chance of at most LARGEST_CHANCE (see trackers.py).

    Args:
        columns: the features.
        labels: the names, (L,).
    """

    def __init__(self, columns: Sequence[str], labels: Sequence[str]) -> None:
        self._labels = list(labels)
        self._columns = {column: _Column(len(labels)) for column in columns}

    def add(
        self,
        frame: pl.DataFrame,
        targets: Targets | NDArray[np.floating],
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        """Look at rows.

        Args:
            frame: N rows.
            targets: (N, L); floats are NaN where missing.
            rows: the row numbers to look at; all if None.

        Raises:
            FeatureError: a column holds what is neither number, date nor text.
        """
        targets = as_targets(targets)
        rows = np.arange(frame.height) if rows is None else rows
        for first in range(0, len(rows), BATCH_ROWS):
            batch = rows[first : first + BATCH_ROWS]
            # column by column, since a tracker looks at one label at a time
            cells = np.asfortranarray(targets.take(batch).dense())
            sides = (cells == 1, cells == 0)
            for name, column in self._columns.items():
                if column.is_open:
                    column.add(_refuse_nested(frame[name]).alias(CELL).gather(batch), sides)

    def grow(self, labels: Sequence[str], like: int) -> None:
        """Append labels, which in the rows so far are what label number `like` is.

        Args:
            labels: the names, (L,), those known so far first.
            like: the number of a label without a positive, so that no column was given up that
                could tell a new one.
        """
        added = len(labels) - len(self._labels)
        for column in self._columns.values() if added else ():
            column.grow(like, added)
        self._labels = list(labels)

    def merge(self, other: LeakScan) -> None:
        """Take in what another scan for the same columns and labels saw in other rows."""
        for name, column in self._columns.items():
            column.merge(other._columns[name])

    def find(self) -> list[Leak]:
        """Return the leaks, in the order of the columns and labels, one way a pair."""
        return [
            Leak(name, self._labels[label], how)
            for name, column in self._columns.items()
            for label, how in sorted(column.find().items())
        ]


def find_leaks(
    table: Table,
    columns: Sequence[str],
    labels: Sequence[str],
    targets: Targets | NDArray[np.floating],
    rows: NDArray[np.intp],
) -> list[Leak]:
    """Return the features that alone tell a label in the rows, as `LeakScan` does.

    Args:
        table: N rows.
        columns: the features.
        labels: the names, (L,).
        targets: (N, L); floats are NaN where missing.
        rows: the row numbers to look at, those of the training part.

    Raises:
        FeatureError: a column holds what is neither number, date nor text.
    """
    scan = LeakScan(columns, labels)
    scan.add(table.frame, targets, rows)
    return scan.find()


class _Column:
    """The trackers of a column that could still find something; None where one was given up."""

    def __init__(self, labels: int) -> None:
        self._numbers: Extremes | None = Extremes(labels)
        self._dates: Extremes | None = Extremes(labels)
        self._missing: Missing | None = Missing(labels)
        self._categories: Categories | None = Categories(labels)

    @property
    def is_open(self) -> bool:
        return any((self._numbers, self._dates, self._missing, self._categories))

    def add(self, cells: pl.Series, sides: tuple[Flags, Flags]) -> None:
        texts = None
        if self._numbers:
            parsed = parse_numbers(cells)
            texts = parsed.texts
            if parsed.bad_row is not None:
                self._numbers = None
            else:
                self._numbers.add(_to_floats(parsed.values), sides)
                if parsed.values.null_count() < len(cells):
                    self._dates = None  # a number is no date
        if self._dates:
            parsed = parse_dates(cells)
            if parsed.bad_row is None:
                self._dates.add(_to_floats(parsed.values), sides)
            else:
                self._dates = None
        if self._missing or self._categories:
            texts = parse_texts(cells) if texts is None else texts
            if self._missing:
                self._missing.add(texts.is_null().to_numpy(), sides)
            if self._categories:
                self._categories.add(texts, sides)
        self._give_up()

    def grow(self, like: int, added: int) -> None:
        for tracker in (self._numbers, self._dates, self._missing, self._categories):
            if tracker:
                tracker.grow(like, added)

    def merge(self, other: _Column) -> None:
        for name in ("_numbers", "_dates", "_missing", "_categories"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine and its:
                mine.merge(its)
            else:
                setattr(self, name, None)
        self._give_up()

    def find(self) -> dict[int, str]:
        """Return how the column tells each label that it tells, by the label's number."""
        found: dict[int, str] = {}
        for tracker in (self._missing, self._numbers, self._dates, self._categories):
            for how, flags in tracker.find().items() if tracker else ():
                for label in np.flatnonzero(flags).tolist():
                    found.setdefault(label, how)
        return found

    def _give_up(self) -> None:
        for name in ("_numbers", "_dates", "_missing", "_categories"):
            tracker = getattr(self, name)
            if tracker and not tracker.is_open:
                setattr(self, name, None)


def _to_floats(values: pl.Series) -> NDArray[np.float64]:
    """Return numbers, NaN where missing."""
    return values.to_numpy().astype(np.float64, copy=False)


def _refuse_nested(cells: pl.Series) -> pl.Series:
    if not is_readable(cells.dtype):
        raise FeatureError(
            f"column {cells.name!r} holds {cells.dtype}, and a feature is a number, a date or a "
            "category",
            hint=f"data.exclude: [{cells.name}]",
        )
    return cells
