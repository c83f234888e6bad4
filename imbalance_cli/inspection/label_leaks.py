"""Features that alone tell a label, where labels are many, or come up while rows stream past.

Shapes: B rows of a batch, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.labels.targets import SparseTargets
from imbalance_cli.leaks import Findings, LeakScan
from imbalance_cli.readers.source import is_readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.inspection.targets import LabelScan
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.notation import Notation
    from imbalance_cli.readers import Table

MOST_LABELS = 256
"""That features are held against, as in `fit`."""


class LabelLeaks:
    """Looks for features that alone tell a label.

    Of more than MOST_LABELS labels it looks at the commonest of the first batch. Classes and tags
    are not all known before the last row: where the first batch has fewer, those that come up
    later are added.

    Args:
        labels: counts the labels, before they are looked at here.
        groups: columns that are neither label nor feature.
    """

    def __init__(self, labels: LabelScan, groups: Sequence[str] = ()) -> None:
        self._labels = labels
        self._others = {*labels.columns, *groups}
        self._scan: LeakScan | None = None
        self._numbers: NDArray[np.intp] = np.arange(0)

    def add(self, table: Table, targets: Targets) -> None:
        """Look at some rows, with their targets, (B, L)."""
        labels = self._labels
        if not labels.columns:
            return
        if self._scan is None:
            features = [
                column
                for column, dtype in table.frame.schema.items()
                if column not in self._others and is_readable(dtype)
            ]
            self._numbers = _choose(targets)
            self._scan = LeakScan(features, [labels.labels[number] for number in self._numbers])
        if labels.is_binary:
            self._scan.add(table.frame, targets.select(self._numbers))
        else:  # in the order in which they came up, the commonest of a batch first
            self._scan.grow(labels.labels[:MOST_LABELS])
            numbers = np.arange(targets.shape[1])[:MOST_LABELS]
            self._scan.add(table.frame, _as_sparse(targets.select(numbers)))

    def findings(self, notations: Mapping[str, Notation]) -> Findings:
        """Return what features say of the labels that can be read, in the order of these.

        `notations` are those of columns that are not written in the usual way.
        """
        order = {count.label: i for i, count in enumerate(self._labels.counts())}
        found = self._scan.findings(notations) if self._scan else Findings([], [])
        columns = {leak.column: i for i, leak in enumerate(found.leaks)}
        leaks = [leak for leak in found.leaks if leak.label in order]
        strongest = [strength for strength in found.strongest if strength.label in order]
        return Findings(
            sorted(leaks, key=lambda leak: (columns[leak.column], order[leak.label])),
            sorted(strongest, key=lambda strength: order[strength.label]),
        )

    def limits(self, rows: int) -> list[str]:
        """Return a sentence where there are labels or rows, of so many, that were not looked at."""
        sentences = []
        labels = len(self._labels.labels)
        if labels > MOST_LABELS:
            number = f"{MOST_LABELS} of {labels:,} labels"
            sentences.append(
                f"likely leaks were looked for in {number}, the commonest of the first rows"
            )
        if self._scan is not None and rows > self._scan.most_rows:
            number = f"{self._scan.most_rows:,} of {rows:,} rows"
            sentences.append(f"likely leaks were looked for in {number}, drawn by chance")
        return sentences


def _choose(targets: Targets) -> NDArray[np.intp]:
    """Return the numbers of the commonest labels of some rows, in rising order."""
    positives = targets.counts()[0]
    return np.sort(np.argsort(-positives, kind="stable")[:MOST_LABELS])


def _as_sparse(targets: Targets) -> SparseTargets:
    """Return targets of classes or tags, which are known for all of a row or for none."""
    rows, labels = targets.positives().nonzero()
    return SparseTargets.of(rows, labels, targets.shape, ~targets.known_rows())
