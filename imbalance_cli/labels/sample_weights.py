"""A column of row weights.

Shapes: N rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import LabelError, show_cell, show_percent
from imbalance_cli.readers.cells import parse_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.readers import Table

HEAVIEST = 1e9
LARGEST_SHARE = 0.05  # of all weight, that a row may have, if it is also
LARGEST_MULTIPLE = 100  # times what a row has on average


def no_weight(name: str, column: str) -> LabelError:
    """Return the error that no row of a source counts."""
    return LabelError(
        f"{name}: column {column!r}: every sample weight is 0",
        hint="a sample weight says how much a row counts",
    )


def describe_heaviest(column: str, heaviest: float, total: float, rows: int) -> list[str]:
    """Return a sentence where one row of many has a good part of all weight.

    Args:
        column: of the weights.
        heaviest: the largest weight.
        total: the sum of all weights.
        rows: how many there are.
    """
    if heaviest < max(LARGEST_SHARE, LARGEST_MULTIPLE / max(rows, 1)) * total or not total:
        return []
    share = f"{show_percent(heaviest / total)} of all sample weight ({heaviest:,.10g})"
    meaning = "what is counted, learned and measured depends on that row"
    return [f"column {column!r}: one row of {rows:,} has {share}: {meaning}"]


def read_sample_weights(table: Table, column: str) -> NDArray[np.float64]:
    """Return each row's weight, (N,); a weight of 2 is as the row standing there twice.

    Raises:
        LabelError: a weight is missing, not a number, negative or above HEAVIEST.
    """
    parsed = parse_numbers(table.frame[column])
    weights = parsed.values.to_numpy().astype(np.float64)
    wrong = ~((weights >= 0) & (weights <= HEAVIEST))
    if wrong.any():
        row = int(wrong.argmax())
        seen = show_cell(table.frame[column][row])
        raise LabelError(
            f"{table.place(row)}: column {column!r}: {seen} is not a sample weight",
            hint=f"a sample weight is a number from 0 to {HEAVIEST:g}; 0 leaves the row out",
        )
    return weights
