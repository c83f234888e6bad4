"""A column of row weights.

Shapes: N rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import LabelError, show_cell
from imbalance_cli.readers.cells import parse_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.readers import Table

HEAVIEST = 1e9


def no_weight(name: str, column: str) -> LabelError:
    """Return the error that no row of a source counts."""
    return LabelError(
        f"{name}: column {column!r}: every sample weight is 0",
        hint="a sample weight says how much a row counts",
    )


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
