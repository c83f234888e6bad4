"""Rows drawn by chance, the same ones whether they are in memory or stream past.

Shapes: N rows, B rows of a batch, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.labels.targets import SparseTargets, Targets, stack_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_ROWS = 100_000  # that features are judged by
MOST_CELLS = 2**24  # of all features in these rows


def most_rows(columns: int) -> int:
    """Return how many rows so many features are judged by, at most."""
    return min(MOST_ROWS, MOST_CELLS // max(columns, 1))


class RowSample:
    """Keeps rows by chance as they stream past: all of them, or so many that memory stays flat.

    A row is kept for its number drawn from a generator with a fixed seed, so that neither the
    batches nor their sizes decide.

    Args:
        columns: that are kept.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._most = most_rows(len(columns))
        self._random = np.random.default_rng(0)
        self._largest = np.inf  # a row with a larger number is not kept
        self._numbers = np.empty(0)
        self._frames: list[pl.DataFrame] = []
        self._targets: list[Targets] = []

    def draw(self, rows: int) -> NDArray[np.intp]:
        """Return which of the next so many rows are kept so far, in rising order."""
        numbers = self._random.random(rows)
        kept = np.flatnonzero(numbers <= self._largest)
        pool = np.concatenate([self._numbers, numbers[kept]])
        if len(pool) > self._most:
            self._largest = np.partition(pool, self._most - 1)[self._most - 1]
            kept = kept[numbers[kept] <= self._largest]
        self._numbers = np.concatenate([self._numbers, numbers[kept]])
        return kept

    def add(
        self, frame: pl.DataFrame, targets: Targets, rows: NDArray[np.intp] | None = None
    ) -> None:
        """Keep some of the rows, (B,), with their targets, (B, L); `rows` alone may be kept."""
        if not self._columns:
            return
        kept = self.draw(frame.height if rows is None else len(rows))
        kept = kept if rows is None else rows[kept]
        self._frames.append(frame[self._columns][kept])
        self._targets.append(targets.take(kept))
        if len(self._numbers) > 2 * self._most:
            self._drop()

    def rows(self, labels: int) -> tuple[pl.DataFrame, Targets] | None:
        """Return the kept rows and their targets, (N, L), or None where nothing is kept.

        Args:
            labels: how many there are by now; new ones are 0 in known rows of earlier batches.
        """
        if not self._frames:
            return None
        self._targets = [_widen(targets, labels) for targets in self._targets]
        self._drop()
        return self._frames[0], self._targets[0]

    def _drop(self) -> None:
        """Forget the rows whose number has become too large."""
        kept = np.flatnonzero(self._numbers <= self._largest)
        labels = max(targets.shape[1] for targets in self._targets)
        targets = stack_targets([_widen(part, labels) for part in self._targets])
        self._frames = [pl.concat(self._frames, how="vertical_relaxed")[kept]]
        self._targets = [targets.take(kept)]
        self._numbers = self._numbers[kept]


def _widen(targets: Targets, labels: int) -> Targets:
    """Return targets with so many labels; classes and tags alone become more."""
    if targets.shape[1] == labels or not isinstance(targets, SparseTargets):
        return targets
    ones = targets.ones.copy()
    ones.resize(len(targets), labels)
    return SparseTargets(ones, targets.rows, np.ones(labels, np.bool_))
