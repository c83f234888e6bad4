"""Which of many labels occur together, from their positive cells alone.

Shapes: B rows of a batch, L labels, K of them whose pairs are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from imbalance_cli.inspection.pairs import LabelPair
from imbalance_cli.labels import LabelCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets

MOST_PAIRS = 2**23  # that are stored, or multiplied at a time; above MOST_LABELS squared
MOST_LABELS = 2_000  # whose pairs are counted, once there are more pairs
MOST_CELLS = 2**24  # multiplied at a time, of those; float32 counts so many without error
DENSE_SPEED = 64  # products of a dense matrix in the time of one of a sparse matrix


class SparsePairCounts:
    """Counts labels, one by one and in pairs, as `PairCounts` does, but stores only what occurs.

    Every pair is counted until there are more than MOST_PAIRS, or until a row has as many. From
    there on only those of the MOST_LABELS labels are that are commonest so far: their counts are
    of all rows, and the other pairs are forgotten.

    Args:
        labels: names, (L,).
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._rows = self._known = 0
        self._positives = np.zeros(len(labels), np.int64)
        # above the diagonal alone, since a pair has no order
        self._both = sp.csr_array((len(labels), len(labels)), dtype=np.int64)
        self._kept: NDArray[np.intp] | None = None  # (K,) those in pairs; None for all
        self._rows_of_all = 0  # that had been read when the others were forgotten

    def grow(self, labels: Sequence[str]) -> None:
        """Append labels of a column of classes or tags, which no row so far was positive for."""
        self._positives = np.pad(self._positives, (0, len(labels) - len(self.labels)))
        self.labels = list(labels)
        if self._kept is None:
            self._both.resize((len(labels), len(labels)))

    def add(self, targets: Targets) -> None:
        """Add targets (B, L), each row of them known for all labels or for none."""
        ones = targets.positives().astype(np.int64)
        self._rows += len(targets)
        self._known += int(targets.known_rows().sum())
        self._positives += np.bincount(ones.indices, minlength=len(self.labels))
        products = np.concatenate([[0], np.diff(ones.indptr).astype(np.int64) ** 2]).cumsum()
        first = 0
        while first < len(targets):
            end = self._find_end(first, products)
            self._add_pairs(ones[first:end], int(products[end] - products[first]))
            first = end

    def _find_end(self, first: int, products: NDArray[np.int64]) -> int:
        """Return where the rows end that are multiplied at a time.

        Args:
            first: the first of them.
            products: of all rows before each, (B + 1,).
        """
        if self._kept is not None:
            end = first + MOST_CELLS // len(self._kept)
        else:
            end = int(np.searchsorted(products, products[first] + MOST_PAIRS, side="right")) - 1
        return min(max(end, first + 1), len(products) - 1)

    def _add_pairs(self, ones: sp.csr_array, products: int) -> None:
        if self._kept is None and products > MOST_PAIRS:  # a single row
            self._forget_rare()
        if self._kept is None:
            self._both += sp.triu(ones.T @ ones, k=1, format="csr")
            if self._both.nnz > MOST_PAIRS:
                self._forget_rare()
            return
        ones = ones[:, self._kept]
        products = int((np.diff(ones.indptr).astype(np.int64) ** 2).sum())
        if DENSE_SPEED * products < ones.shape[0] * ones.shape[1] ** 2:
            self._both += sp.triu(ones.T @ ones, k=1, format="csr")
        else:
            cells = ones.toarray().astype(np.float32)
            self._both += sp.csr_array(np.triu(cells.T @ cells, k=1).astype(np.int64))

    def _forget_rare(self) -> None:
        self._kept = np.sort(np.argsort(-self._positives, kind="stable")[:MOST_LABELS])
        self._rows_of_all = self._rows
        self._both = self._both[self._kept][:, self._kept]

    def counts(self) -> list[LabelCounts]:
        """Return the counts of each label, (L,)."""
        known, missing = self._known, self._rows - self._known
        return [
            LabelCounts(label, positives, known - positives, missing)
            for label, positives in zip(self.labels, self._positives.tolist(), strict=True)
        ]

    def remarks(self) -> list[str]:
        """Return a sentence where pairs of some labels were not counted."""
        if self._kept is None or len(self._kept) == len(self.labels):
            return []
        number = f"{len(self._kept):,} of {len(self.labels):,}"
        first = f"the commonest of the first {self._rows_of_all:,} rows"
        return [f"labels that occur together were looked for among {number}, {first}"]

    def pairs(self, most: int, among: Collection[str]) -> list[LabelPair]:
        """Return the pairs that occur together in the most rows.

        Args:
            most: how many.
            among: the labels they are of.
        """
        both = self._both.copy()
        both.sort_indices()  # equally frequent pairs are in the order of the labels
        found = both.tocoo()
        numbers = np.arange(len(self.labels)) if self._kept is None else self._kept
        firsts, seconds = numbers[found.row], numbers[found.col]
        is_among = np.array([label in among for label in self.labels], np.bool_)
        is_chosen = is_among[firsts] & is_among[seconds]
        firsts, seconds, together = firsts[is_chosen], seconds[is_chosen], found.data[is_chosen]
        order = np.argsort(-together, kind="stable")[:most]
        return [self._pair(int(firsts[i]), int(seconds[i]), int(together[i])) for i in order]

    def _pair(self, i: int, j: int, together: int) -> LabelPair:
        expected = float(self._positives[i]) * float(self._positives[j]) / self._known
        return LabelPair(self.labels[i], self.labels[j], together, together / expected)
