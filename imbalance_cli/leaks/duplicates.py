"""Rows with the same features in several parts.

Shapes: N rows, L labels, D distinct rows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.labels.targets import as_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits import Split


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """How many rows of a split have the features of another row of it.

    Attributes:
        rows: of all parts.
        repeated: that have the features of another row, in whichever part.
        disagreeing: of the repeated, those for whose features some label is known to be both 1
            and 0; None where no targets were given.
        straddling: by part (valid, test): its rows that have the features of a train row.
    """

    rows: int
    repeated: int
    disagreeing: int | None
    straddling: dict[str, int]


def count_straddling_duplicates(
    frame: pl.DataFrame,
    columns: Sequence[str],
    split: Split,
    targets: Targets | NDArray[np.floating] | None = None,
) -> Duplicates:
    """Count the rows of valid and test whose features are those of a train row, cell by cell.

    Cells are compared as they were read ("1" and "1.0" are two texts) by 64-bit hashes of the
    rows: among a million distinct rows two share one with a chance of about 3e-8.

    Args:
        frame: N rows.
        columns: the features; with none of them, no row is like another.
        split: the rows of each part.
        targets: (N, L); floats are NaN where missing.
    """
    if not columns:
        rows = sum(map(len, split.rows_of_parts().values()))
        return Duplicates(rows, 0, None if targets is None else 0, {"valid": 0, "test": 0})
    return count_straddling_hashes(hash_rows(frame, columns), split, targets)


def count_straddling_hashes(
    hashes: NDArray[np.uint64],
    split: Split,
    targets: Targets | NDArray[np.floating] | None = None,
) -> Duplicates:
    """Count as `count_straddling_duplicates` does, by what `hash_rows` gave of all rows, (N,)."""
    parts = split.rows_of_parts()
    rows = np.concatenate(list(parts.values()))
    if not len(rows):
        return Duplicates(0, 0, None if targets is None else 0, {"valid": 0, "test": 0})
    numbers = np.unique(hashes, return_inverse=True)[1].astype(np.intp, copy=False)
    occurrences = np.bincount(numbers[rows])
    in_train = np.zeros(len(occurrences), np.bool_)
    in_train[numbers[split.train]] = True
    repeated = rows[occurrences[numbers[rows]] > 1]
    return Duplicates(
        rows=len(rows),
        repeated=len(repeated),
        disagreeing=None
        if targets is None
        else _count_disagreeing(numbers, repeated, as_targets(targets)),
        straddling={part: int(in_train[numbers[parts[part]]].sum()) for part in ("valid", "test")},
    )


def hash_rows(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.uint64]:
    """Return a number for each row, (N,), the same where the cells are, whatever the frame."""
    hashes: NDArray[np.uint64] = frame[list(columns)].hash_rows(seed=0).to_numpy()
    return hashes


def _count_disagreeing(
    numbers: NDArray[np.intp], repeated: NDArray[np.intp], targets: Targets
) -> int:
    its_numbers, its_targets = numbers[repeated], targets.take(repeated)
    disagrees = np.zeros(int(its_numbers.max(initial=-1)) + 1, np.bool_)  # (D,)
    for label in range(targets.shape[1]):
        column = its_targets.dense(slice(label, label + 1))[:, 0]
        sides = []
        for side in (1, 0):
            seen = np.zeros(len(disagrees), np.bool_)
            seen[its_numbers[column == side]] = True
            sides.append(seen)
        disagrees |= sides[0] & sides[1]
    return int(disagrees[its_numbers].sum())
