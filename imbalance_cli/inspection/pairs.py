"""Which labels occur together.

Shapes: B rows of a batch, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.labels import LabelCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets


@dataclasses.dataclass(frozen=True)
class LabelPair:
    """How often two labels are positive in one row.

    Attributes:
        first: a label.
        second: another one.
        together: rows where both are positive.
        lift: `together` over what it would be if they were independent, among the rows where both
            are known.
    """

    first: str
    second: str
    together: int
    lift: float


class PairCounts:
    """Counts labels, one by one and in pairs, while their targets stream past.

    Each cell may be missing by itself. What is kept grows with the square of the labels.

    Args:
        labels: names, (L,).
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        shape = len(labels), len(labels)
        self._rows = 0
        self._both = np.zeros(shape, np.int64)
        self._first = np.zeros(shape, np.int64)  # the first positive, the second known
        self._known = np.zeros(shape, np.int64)

    def add(self, targets: Targets) -> None:
        """Add targets (B, L)."""
        cells = targets.dense()
        # float64 counts without error up to 2^53, and its matrix product is fast
        positive = (cells == 1).astype(np.float64)
        known = (~np.isnan(cells)).astype(np.float64)
        self._rows += len(targets)
        if not self.labels:
            return
        self._both += (positive.T @ positive).astype(np.int64)
        self._first += (positive.T @ known).astype(np.int64)
        self._known += (known.T @ known).astype(np.int64)

    def counts(self) -> list[LabelCounts]:
        """Return the counts of each label, (L,)."""
        positives, known = self._both.diagonal().tolist(), self._known.diagonal().tolist()
        return [
            LabelCounts(label, p, k - p, self._rows - k)
            for label, p, k in zip(self.labels, positives, known, strict=True)
        ]

    def remarks(self) -> list[str]:
        """Return nothing, since every pair is counted."""
        return []

    @property
    def together(self) -> NDArray[np.int64]:
        """The rows where both labels are positive, (L, L)."""
        return self._both

    def shares(self) -> NDArray[np.float64]:
        """Return the share of a label's positives that are positives of another too, (L, L).

        The first axis is of the one; among rows where the other is known; NaN where there are none.
        """
        of = self._first.astype(np.float64)
        return np.divide(self._both, of, out=np.full_like(of, np.nan), where=of > 0)

    def pairs(self, most: int, among: Collection[str]) -> list[LabelPair]:
        """Return the pairs that occur together in the most rows.

        Args:
            most: how many.
            among: the labels they are of.
        """
        chosen = np.flatnonzero([label in among for label in self.labels])
        firsts, seconds = (chosen[side] for side in np.triu_indices(len(chosen), k=1))
        together = self._both[firsts, seconds]
        order = np.argsort(-together, kind="stable")[:most]
        return [self._pair(int(firsts[i]), int(seconds[i])) for i in order if together[i]]

    def _pair(self, i: int, j: int) -> LabelPair:
        together = int(self._both[i, j])
        expected = float(self._first[i, j]) * float(self._first[j, i]) / float(self._known[i, j])
        return LabelPair(self.labels[i], self.labels[j], together, together / expected)
