"""Whole numbers that are names: few that repeat, and neighbours that have nothing in common.

If the numbers measure something, rows with neighbouring ones have similar rates of positives; if
they are codes, rates differ from one to the next as they do between any two.

Shapes: B rows of a batch, V values of a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.notation import NotationChoice
from imbalance_cli.readers.cells import CELL, parse_numbers
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST, MOST = 20, 1000  # values of such a column
LEAST_ROWS = 5  # of a value, on average
MOST_LABELS = 5  # that rates are of
EVEN = 4  # the values are used as evenly as a quarter of them would be, if evenly
BEYOND_CHANCE = 6.0  # standard errors by which rates differ between values
UNLIKE = 0.5  # the most that the rates of neighbours may correlate, with its standard error


class CodeScan:
    """Counts rows and positives of each value of the columns that may hold codes."""

    def __init__(self) -> None:
        self._counts: dict[str, pl.DataFrame | None] = {}

    def add(
        self, frame: pl.DataFrame, columns: Sequence[str], targets: NDArray[np.float32]
    ) -> None:
        """Take in some rows.

        Args:
            frame: B rows.
            columns: the features among its columns.
            targets: (B, L) of some labels, NaN where missing.
        """
        labels = pl.DataFrame(targets, schema=[f"{i}" for i in range(targets.shape[1])])
        for column in columns:
            before = self._counts.get(column)
            if column in self._counts and before is None:
                continue
            self._counts[column] = _count(frame[column], labels, before)

    def find(self) -> dict[str, NotationChoice]:
        """Return the columns whose numbers seem to be names, and what is said of each."""
        return {
            column: NotationChoice(
                note=f"{counts.height:,} whole numbers that repeat, neighbours among them unlike "
                f"each other in their labels: they may be names "
                f"(data.categories: [{quote(column)}])",
                settings={"categories": [column]},
            )
            for column, counts in self._counts.items()
            if counts is not None and counts.height >= LEAST and _are_codes(counts)
        }


def _count(
    cells: pl.Series, labels: pl.DataFrame, before: pl.DataFrame | None
) -> pl.DataFrame | None:
    """Return rows and positives of each value, or None for no column of codes."""
    if cells.dtype.is_temporal() or cells.dtype.is_nested() or cells.dtype == pl.Boolean:
        return None
    parsed = parse_numbers(cells)
    values = parsed.values
    known = values.drop_nulls()
    if parsed.bad_row is not None or parsed.has_words or (known != known.floor()).any():
        return None
    rows = labels.with_columns(values.alias(CELL)).drop_nulls(CELL).fill_nan(None)
    sums = [pl.col(name).sum() for name in labels.columns]
    known_rows = [pl.col(name).count().alias(f"n{name}") for name in labels.columns]
    counts = rows.group_by(CELL).agg(*sums, *known_rows)
    if before is not None:
        counts = pl.concat([before, counts], how="vertical_relaxed").group_by(CELL).sum()
    return counts if counts.height <= MOST else None


def _are_codes(counts: pl.DataFrame) -> bool:
    table = counts.sort(CELL)
    labels = [name for name in table.columns if name.isdigit()]
    rows = table[f"n{labels[0]}"].to_numpy().astype(np.float64)
    is_even = rows.sum() ** 2 >= len(rows) / EVEN * (rows**2).sum()
    if not is_even or rows.sum() < LEAST_ROWS * len(rows):
        return False
    return any(
        _is_unordered(table[name].to_numpy(), table[f"n{name}"].to_numpy()) for name in labels
    )


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
