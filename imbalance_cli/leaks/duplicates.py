"""Rows with the same features in several parts.

Shapes: N rows, L labels, D distinct rows, R of the rows.
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


BLOCK = 2**20  # rows that are looked up at a time


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """How many rows of a split have the features of another row of it.

    Attributes:
        straddling: by part (valid, test): its rows that have the features of a train row.
        disagreeing: rows of any part with the features of another row, for whose features some
            label is known to be both 1 and 0.
    """

    straddling: dict[str, int]
    disagreeing: int


def count_duplicates(
    hashes: NDArray[np.uint64], split: Split, targets: Targets | NDArray[np.floating]
) -> Duplicates:
    """Count the rows whose features are those of another row.

    Args:
        hashes: (N,) of the features of each row, as of `hash_rows`.
        split: the rows of each part.
        targets: (N, L); floats are NaN where missing.
    """
    parts = split.rows_of_parts()
    # sorted hashes, rather than a number for each: of very many rows these would be several copies
    ordered = np.concatenate([hashes[rows] for rows in parts.values()])
    ordered.sort()
    shared = _repeated(ordered)
    del ordered
    repeated = np.concatenate([rows[_are_in(hashes, rows, shared)] for rows in parts.values()])
    trained = np.unique(hashes[split.train[_are_in(hashes, split.train, shared)]])
    numbers = np.searchsorted(shared, hashes[repeated])
    return Duplicates(
        {part: int(_are_in(hashes, parts[part], trained).sum()) for part in ("valid", "test")},
        _count_disagreeing(numbers, as_targets(targets).take(repeated)),
    )


def _repeated(ordered: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the values that come more than once in ascending ones, each once."""
    is_second = ordered[1:] == ordered[:-1]
    return np.unique(ordered[1:][is_second])


def _are_in(
    values: NDArray[np.uint64], rows: NDArray[np.intp], known: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return whether the values of rows, (R,), are among ascending ones, a block at a time."""
    found = np.zeros(len(rows), np.bool_)
    for first in range(0, len(rows) if len(known) else 0, BLOCK):
        block = values[rows[first : first + BLOCK]]
        places = np.searchsorted(known, block).clip(max=len(known) - 1)
        found[first : first + BLOCK] = known[places] == block
    return found


def hash_rows(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.uint64]:
    """Return a number for each row, (N,), the same where the cells are, whatever the frame.

    Cells are compared as they were read: "1" and "1.0" are two texts. Among a million distinct
    rows two share one of the 64-bit numbers with a chance of about 3e-8.
    """
    hashes: NDArray[np.uint64] = frame[list(columns)].hash_rows(seed=0).to_numpy()
    return hashes


def _count_disagreeing(numbers: NDArray[np.intp], targets: Targets) -> int:
    """Return how many rows, numbered by their features, (R,), disagree with others of a number."""
    disagrees = np.zeros(int(numbers.max(initial=-1)) + 1, np.bool_)  # (D,)
    for label in range(targets.shape[1]):
        column = targets.dense(slice(label, label + 1))[:, 0]
        sides = []
        for side in (1, 0):
            seen = np.zeros(len(disagrees), np.bool_)
            seen[numbers[column == side]] = True
            sides.append(seen)
        disagrees |= sides[0] & sides[1]
    return int(disagrees[numbers].sum())
