"""Whole numbers that are names: few that repeat, and neighbours that have nothing in common.

If the numbers measure something, rows with neighbouring ones have similar rates of positives; if
they are codes, rates differ from one to the next as they do between any two.

Shapes: B rows of a batch, V values of a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from imbalance_cli.notation import NotationChoice
from imbalance_cli.readers.cells import parse_numbers
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.readers.plain_numbers import PlainNumbers

LEAST, MOST = 20, 1000  # values of such a column
LEAST_ROWS = 5  # of a value, on average
MOST_LABELS = 5  # that rates are of
EVEN = 4  # the values are used as evenly as a quarter of them would be, if evenly
BEYOND_CHANCE = 6.0  # standard errors by which rates differ between values
UNLIKE = 0.5  # the most that the rates of neighbours may correlate, with its standard error


class NumericCategoryScan:
    """Counts rows and positives of each value of the columns whose numbers may be names."""

    def __init__(self) -> None:
        self._counts: dict[str, _ValueCounts | None] = {}

    def add(
        self, cells: pl.Series, numbers: PlainNumbers | None, targets: NDArray[np.float32]
    ) -> None:
        """Take in some rows of a column.

        Args:
            cells: of the column.
            numbers: the same where all of them are numbers or missing.
            targets: (B, L) of some labels, NaN where missing.
        """
        column = cells.name
        before = self._counts.get(column)
        if column in self._counts and before is None:
            return
        values = _read(cells) if numbers is None else numbers.values
        self._counts[column] = None if values is None else _count(values, targets, before)

    def find(self) -> dict[str, NotationChoice]:
        """Return the columns whose numbers seem to be names, and what is said of each."""
        return {
            column: NotationChoice(
                note=f"{len(counts.values):,} whole numbers that repeat, neighbours among them "
                "unlike each other in their labels: they may be names "
                f"(data.categories: [{quote(column)}])",
                settings={"categories": [column]},
            )
            for column, counts in self._counts.items()
            if counts is not None and len(counts.values) >= LEAST and _are_names(counts)
        }


class _ValueCounts(NamedTuple):
    """Rising values, (V,), and how many rows and positives each has of a label, (V, L)."""

    values: NDArray[np.float64]
    rows: NDArray[np.float64]
    positives: NDArray[np.float64]


def _read(cells: pl.Series) -> NDArray[np.float64] | None:
    """Return numbers, NaN where missing; None for other cells."""
    if cells.dtype.is_temporal() or cells.dtype.is_nested() or cells.dtype == pl.Boolean:
        return None
    parsed = parse_numbers(cells)
    return None if parsed.bad_row is not None or parsed.has_words else parsed.values.to_numpy()


def _count(
    values: NDArray[np.float64], targets: NDArray[np.float32], before: _ValueCounts | None
) -> _ValueCounts | None:
    """Return rows and positives of each value, or None for no column of names."""
    is_known = ~np.isnan(values)
    numbers = values[is_known]
    if (numbers != np.floor(numbers)).any():
        return None
    found, places = np.unique(numbers, return_inverse=True)
    if len(found) > MOST:
        return None
    cells = targets[is_known]
    counted = _ValueCounts(
        found, _sum_by(places, ~np.isnan(cells), found), _sum_by(places, cells == 1, found)
    )
    if before is None:
        return counted
    values, rows, positives = map(np.concatenate, zip(before, counted, strict=True))
    found, places = np.unique(values, return_inverse=True)
    if len(found) > MOST:
        return None
    return _ValueCounts(found, _sum_by(places, rows, found), _sum_by(places, positives, found))


def _sum_by(
    places: NDArray[np.intp], cells: NDArray[Any], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sums of cells, (N, L), that have each of the values, (V, L)."""
    sums = [np.bincount(places, column, len(values)) for column in cells.T]
    return np.stack(sums, axis=1) if sums else np.empty((len(values), 0))


def _are_names(counts: _ValueCounts) -> bool:
    rows = counts.rows[:, 0]
    is_even = rows.sum() ** 2 >= len(rows) / EVEN * (rows**2).sum()
    if not is_even or rows.sum() < LEAST_ROWS * len(rows):
        return False
    labels = zip(counts.positives.T, counts.rows.T, strict=True)
    return any(_is_unordered(positives, rows) for positives, rows in labels)


def _is_unordered(positives: NDArray[np.float64], rows: NDArray[np.float64]) -> bool:
    """Return whether rates of positives differ between values (V,), and not from one to the next.

    With r the deviation of each rate in standard errors, r has variance 1 + S where rates differ,
    and the covariance of neighbours is S times their correlation.
    """
    rate = positives.sum() / max(rows.sum(), 1)
    if not 0 < rate < 1:
        return False
    expected = rows * rate
    deviations = (positives - expected) / np.sqrt(np.maximum(expected * (1 - rate), 1e-12))
    values = len(deviations)
    kurtosis = (1 - 6 * rate * (1 - rate)) / np.maximum(expected * (1 - rate), 1e-12)
    excess = float((deviations**2).sum()) - values
    if excess < BEYOND_CHANCE * np.sqrt(float((2 + kurtosis).sum())):
        return False
    spread = excess / values
    correlation = float((deviations[1:] * deviations[:-1]).mean()) / spread
    error = (1 + 1 / spread) / np.sqrt(values)
    return bool(correlation + error < UNLIKE)
