"""Features that alone tell a label, where labels are many, or come up while rows stream past.

Shapes: B rows of a batch, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.labels.targets import SparseTargets
from imbalance_cli.leaks import Leak, LeakScan
from imbalance_cli.readers.cells import is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.inspection.targets import LabelScan
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers import Table

MOST_LABELS = 256
"""That features are held against, as in `fit`."""

NO_LABEL = ""


class LabelLeaks:
    """Looks for features that alone tell a label.

    Of more than MOST_LABELS labels it looks at the commonest of the first batch. Classes and tags
    are not all known before the last row: where the first batch has fewer, those that come up
    later are added. A label that nothing is, NO_LABEL, has every row with a known cell as a
    negative, and a new class or tag begins with what it has.

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
            names = [labels.labels[number] for number in self._numbers]
            self._scan = LeakScan(features, names if labels.is_binary else [NO_LABEL])
        if labels.is_binary:
            self._scan.add(table.frame, targets.select(self._numbers))
        else:  # in the order in which they came up, the commonest of a batch first
            self._scan.grow([NO_LABEL, *labels.labels[:MOST_LABELS]], like=0)
            numbers = np.arange(targets.shape[1])[:MOST_LABELS]
            self._scan.add(table.frame, _with_no_label(targets.select(numbers), targets))

    def find(self) -> list[Leak]:
        """Return the leaks of the labels that can be read, in the order of columns and labels."""
        order = {count.label: i for i, count in enumerate(self._labels.counts())}
        found = self._scan.find() if self._scan else []
        columns = {leak.column: i for i, leak in enumerate(found)}
        read = [leak for leak in found if leak.label in order]
        return sorted(read, key=lambda leak: (columns[leak.column], order[leak.label]))

    def limits(self) -> list[str]:
        """Return a sentence where there are labels that were not looked at."""
        labels = len(self._labels.labels)
        if labels <= MOST_LABELS:
            return []
        number = f"{MOST_LABELS} of {labels:,} labels"
        return [f"likely leaks were looked for in {number}, the commonest of the first rows"]


def _choose(targets: Targets) -> NDArray[np.intp]:
    """Return the numbers of the commonest labels of some rows, in rising order."""
    positives = targets.counts()[0]
    return np.sort(np.argsort(-positives, kind="stable")[:MOST_LABELS])


def _with_no_label(chosen: Targets, targets: Targets) -> SparseTargets:
    """Put a label before some of a column's, (B, l), that is 0 where any of all, (B, L), is known.

    A cell of classes or tags is known for all of them, or for none.
    """
    rows, labels = chosen.positives().nonzero()
    shape = len(chosen), chosen.shape[1] + 1
    return SparseTargets.of(rows, labels + 1, shape, ~targets.known_rows())
