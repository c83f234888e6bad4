"""Targets of many rows: dense cells of a byte each, or the positives alone where labels are many.

Everything between the readers and the device takes `Targets`, whichever of the two they are, and
does the same with both.

Shapes: N rows, L labels, P positive cells.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.integer]

MISSING = -1  # of a dense cell
BLOCK_CELLS = 2**22  # that are widened at a time, which bounds the memory
ALL = slice(None)


class Targets(Protocol):
    """Targets (N, L): each cell is 1, 0 or missing. They are never changed in place."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, L)."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: Numbers | Flags | slice) -> Self:
        """Return the targets of some rows, by their numbers or by a flag for each."""
        ...

    def select(self, labels: Numbers) -> Self:
        """Return the targets of some labels, by their numbers."""
        ...

    def dense(self, labels: slice | Numbers = ALL) -> NDArray[np.float32]:
        """Return 1, 0 and NaN where missing, (N, l) of some labels.

        It is as large as it is: take few rows or few labels of large targets.
        """
        ...

    def positives(self) -> sp.csr_array:
        """Return (N, L) with a 1 in every positive cell, the labels of a row in rising order."""
        ...

    def counts(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the positives, negatives and missing cells of each label, (3, L).

        With weights, (N,), a row counts as much as it weighs; with (N, L), a cell.
        """
        ...

    def known_rows(self) -> Flags:
        """Return whether any cell of a row is known, (N,)."""
        ...

    def incomplete_rows(self) -> Flags:
        """Return whether any cell of a row is missing, (N,)."""
        ...

    def filled(self) -> Self:
        """Return the same with 0 where a cell is missing."""
        ...

    def mask(self, *, rows: Flags | None = None, labels: Flags | None = None) -> Self:
        """Return the same with nothing known but in the flagged rows, (N,), and labels, (L,)."""
        ...

    def hash_rows(self, factors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a number a row, (N,): the sum of factors, (L,), of positives, twice of missing."""
        ...


@dataclasses.dataclass(frozen=True)
class DenseTargets:
    """A byte a cell.

    Attributes:
        cells: (N, L) int8: 1, 0, or MISSING.
    """

    cells: NDArray[np.int8]

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> DenseTargets:
        """Return floats, (N, L) with NaN where missing, as targets."""
        cells = np.full(values.shape, MISSING, np.int8)
        np.copyto(cells, values, where=~np.isnan(values), casting="unsafe")
        return cls(cells)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, L)."""
        rows, labels = self.cells.shape
        return rows, labels

    def __len__(self) -> int:
        return len(self.cells)

    def take(self, rows: Numbers | Flags | slice) -> DenseTargets:
        """Return the targets of some rows."""
        return DenseTargets(self.cells[rows])

    def select(self, labels: Numbers) -> DenseTargets:
        """Return the targets of some labels."""
        return DenseTargets(self.cells[:, labels])

    def dense(self, labels: slice | Numbers = ALL) -> NDArray[np.float32]:
        """Return (N, l) float32, NaN where missing."""
        cells = self.cells[:, labels]
        values = cells.astype(np.float32)
        values[cells == MISSING] = np.nan
        return values

    def positives(self) -> sp.csr_array:
        """Return (N, L) with a 1 in every positive cell."""
        is_positive = self.cells == 1
        labels = np.nonzero(is_positive)[1]
        starts = np.concatenate([[0], np.count_nonzero(is_positive, axis=1).cumsum()])
        return sp.csr_array((np.ones(len(labels), np.int8), labels, starts), shape=self.shape)

    def counts(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the positives, negatives and missing cells of each label, (3, L)."""
        sums = np.zeros((3, self.shape[1]))
        for part in self._blocks():
            cells = self.cells[part]
            sides = (cells == 1, cells == 0, cells == MISSING)
            own = None if weights is None else weights[part]
            sums += [_sum_side(side, own) for side in sides]
        return sums

    def known_rows(self) -> Flags:
        """Return whether any cell of a row is known, (N,)."""
        return _flags((self.cells != MISSING).any(axis=1))

    def incomplete_rows(self) -> Flags:
        """Return whether any cell of a row is missing, (N,)."""
        return _flags((self.cells == MISSING).any(axis=1))

    def filled(self) -> DenseTargets:
        """Return the same with 0 where a cell is missing."""
        return DenseTargets(np.where(self.cells == MISSING, np.int8(0), self.cells))

    def mask(self, *, rows: Flags | None = None, labels: Flags | None = None) -> DenseTargets:
        """Return the same with nothing known but in the flagged rows and labels."""
        if (rows is None or rows.all()) and (labels is None or labels.all()):
            return self
        cells = self.cells.copy()
        if rows is not None:
            cells[~rows] = MISSING
        if labels is not None:
            cells[:, ~labels] = MISSING
        return DenseTargets(cells)

    def hash_rows(self, factors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of factors of a row's positives, and twice those of its missing cells."""
        hashed = np.zeros(len(self), np.int64)
        for part in self._blocks():
            cells = self.cells[part].astype(np.int64)
            cells[cells == MISSING] = 2
            hashed[part] = cells @ factors
        return hashed

    def _blocks(self) -> Iterator[slice]:
        """Yield consecutive rows of few enough cells."""
        height = max(BLOCK_CELLS // max(self.shape[1], 1), 1)
        for first in range(0, len(self), height):
            yield slice(first, first + height)


@dataclasses.dataclass(frozen=True)
class SparseTargets:
    """The positive cells, and which rows and labels are missing as a whole; all else is 0.

    Attributes:
        ones: (N, L) a 1 in every positive cell; none of them in a missing row or label.
        rows: (N,) whether anything is known of a row.
        labels: (L,) whether anything is known of a label.
    """

    ones: sp.csr_array
    rows: Flags
    labels: Flags

    @classmethod
    def of(
        cls,
        rows: Numbers,
        labels: Numbers,
        shape: tuple[int, int],
        missing: Flags | None = None,
    ) -> SparseTargets:
        """Return targets whose positive cells are in some rows and labels, (P,) each.

        Args:
            rows: of the positive cells, each cell once.
            labels: of the positive cells.
            shape: (N, L).
            missing: (N,) rows of which nothing is known; None for none.
        """
        ones = _compress(rows, labels, shape)
        known = np.ones(shape[0], np.bool_) if missing is None else ~missing
        return cls(ones, known, np.ones(shape[1], np.bool_))

    @property
    def shape(self) -> tuple[int, int]:
        """(N, L)."""
        return len(self.rows), len(self.labels)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Numbers | Flags | slice) -> SparseTargets:
        """Return the targets of some rows."""
        return SparseTargets(self.ones[rows], self.rows[rows], self.labels)

    def select(self, labels: Numbers) -> SparseTargets:
        """Return the targets of some labels."""
        ones = self.ones[:, labels]
        ones.sort_indices()
        return SparseTargets(ones, self.rows, self.labels[labels])

    def dense(self, labels: slice | Numbers = ALL) -> NDArray[np.float32]:
        """Return (N, l) float32, NaN where missing."""
        known = self.labels[labels]
        ones = self.ones if labels is ALL else self.ones[:, labels]
        values = np.zeros((len(self), len(known)), np.float32)
        values[~self.rows] = np.nan
        values[:, ~known] = np.nan
        row_of = np.repeat(np.arange(len(self)), np.diff(ones.indptr))
        values[row_of, ones.indices] = 1
        return values

    def positives(self) -> sp.csr_array:
        """Return (N, L) with a 1 in every positive cell."""
        return self.ones

    def counts(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the positives, negatives and missing cells of each label, (3, L)."""
        of_cells = None
        total, known = float(len(self)), float(self.rows.sum())
        if weights is not None:
            of_cells = np.repeat(weights, np.diff(self.ones.indptr))
            total, known = float(weights.sum()), float(weights[self.rows].sum())
        labels = self.shape[1]
        positives = np.bincount(self.ones.indices, of_cells, labels).astype(np.float64)
        known_of_label = np.where(self.labels, known, 0.0)
        # a sum of the same weights in another order may differ in its last digits
        negatives = np.maximum(known_of_label - positives, 0.0)
        return np.stack([positives, negatives, total - known_of_label])

    def known_rows(self) -> Flags:
        """Return whether any cell of a row is known, (N,)."""
        return self.rows & self.labels.any()

    def incomplete_rows(self) -> Flags:
        """Return whether any cell of a row is missing, (N,)."""
        return ~(self.rows & self.labels.all())

    def filled(self) -> SparseTargets:
        """Return the same with 0 where a cell is missing."""
        return SparseTargets(self.ones, np.ones_like(self.rows), np.ones_like(self.labels))

    def mask(self, *, rows: Flags | None = None, labels: Flags | None = None) -> SparseTargets:
        """Return the same with nothing known but in the flagged rows and labels."""
        known_rows = self.rows if rows is None else self.rows & rows
        known_labels = self.labels if labels is None else self.labels & labels
        row_of = np.repeat(np.arange(len(self)), np.diff(self.ones.indptr))
        kept = known_rows[row_of] & known_labels[self.ones.indices]
        ones = self.ones
        if not kept.all():
            ones = _compress(row_of[kept], ones.indices[kept], self.shape)
        return SparseTargets(ones, known_rows, known_labels)

    def hash_rows(self, factors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of factors of a row's positives, and twice those of its missing cells."""
        # numpy's running sum wraps around, as the product of dense cells does
        running = np.concatenate([np.zeros(1, np.int64), factors[self.ones.indices].cumsum()])
        hashed = running[self.ones.indptr[1:]] - running[self.ones.indptr[:-1]]
        twice = factors * 2
        hashed += np.where(self.rows, twice[~self.labels].sum(), twice.sum())
        result: NDArray[np.int64] = hashed
        return result


def as_targets(values: Targets | NDArray[np.floating]) -> Targets:
    """Return targets as they are, and floats, (N, L) with NaN where missing, as targets."""
    return DenseTargets.of(values) if isinstance(values, np.ndarray) else values


def dense_rows(targets: Targets) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield all cells, some rows at a time: which these are, and `dense` of them."""
    height = max(BLOCK_CELLS // max(targets.shape[1], 1), 1)
    for first in range(0, len(targets), height):
        rows = slice(first, first + height)
        yield rows, targets.take(rows).dense()


def dense_labels(
    targets: Targets, labels: Numbers
) -> Iterator[tuple[Numbers, NDArray[np.float32]]]:
    """Yield the numbers of some labels at a time, (l,), and `dense` of these."""
    width = max(BLOCK_CELLS // max(len(targets), 1), 1)
    for first in range(0, len(labels), width):
        block = labels[first : first + width]
        yield block, targets.dense(block)


def stack_targets(parts: Sequence[Targets]) -> Targets:
    """Put targets of the same labels below each other.

    They are sparse if all are, with the same labels missing.

    Args:
        parts: at least one.
    """
    if len(parts) == 1:
        return parts[0]
    sparse = [part for part in parts if isinstance(part, SparseTargets)]
    if len(sparse) == len(parts) and len({part.labels.tobytes() for part in sparse}) == 1:
        ones = sp.vstack([part.ones for part in sparse], format="csr")
        rows = np.concatenate([part.rows for part in sparse])
        return SparseTargets(ones, rows, sparse[0].labels)
    cells = [
        part.cells if isinstance(part, DenseTargets) else DenseTargets.of(part.dense()).cells
        for part in parts
    ]
    return DenseTargets(np.concatenate(cells))


def _compress(rows: Numbers, labels: Numbers, shape: tuple[int, int]) -> sp.csr_array:
    """Return cells, (P,) rows and labels, as a matrix of ones with sorted rows."""
    ones = np.ones(len(rows), np.int8)
    matrix = sp.csr_array((ones, (rows, labels)), shape=shape)
    matrix.sort_indices()
    return matrix


def _sum_side(side: Flags, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return how many cells (n, L) are flagged, or what they weigh, (L,)."""
    sums: NDArray[np.float64]
    if weights is None:
        sums = side.sum(axis=0)
    elif weights.ndim == 1:
        sums = weights @ side
    else:
        sums = (weights * side).sum(axis=0)
    return sums


def _flags(values: NDArray[np.bool_]) -> Flags:
    return values
