"""One look at a source: its columns, its labels, and what `fit` would say to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.inspection.columns import ColumnScan
from imbalance_cli.inspection.findings import list_candidates, list_findings
from imbalance_cli.inspection.repeats import RepeatCounter
from imbalance_cli.inspection.results import Inspection
from imbalance_cli.inspection.targets import LabelScan
from imbalance_cli.labels import LabelSettings, check_positive, explain_bare, select_labels
from imbalance_cli.leaks import Leak, LeakScan
from imbalance_cli.readers import Table, batch_table
from imbalance_cli.readers.cells import is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.readers.source import Source

MOST_PAIRS = 10
MOST_LEAK_LABELS = 100
NO_LABEL = ""
ROW_HASHES = 2**20  # kept of all rows; past it repeated rows are estimated
PLAIN = LabelSettings()


def inspect_source(
    source: Source, patterns: Sequence[str] = (), settings: LabelSettings = PLAIN
) -> Inspection:
    """Look at every cell of a source once, with flat memory.

    A label that cannot be read is a finding, not an error.

    Args:
        source: an open source.
        patterns: names or globs of the label columns; none means y, label, target and y_*.
        settings: how the labels are read.

    Raises:
        LabelError: a pattern matches no column, or several match where one is read.
        SourceError: the source cannot be read.
    """
    check_positive(settings.positive)
    label_columns = select_labels(source.columns, patterns, source.name, source) or []
    labels = LabelScan(label_columns, settings, source.name)
    scans = [ColumnScan(column) for column in source.columns]
    repeated_rows = RepeatCounter(ROW_HASHES)
    leaks = _Leaks(labels)
    rows = 0
    for batch in source.batches(source.columns):
        table = batch_table(batch, source.name)
        rows += table.frame.height
        for scan in scans:
            scan.add(table.frame[scan.name], table.place)
        leaks.add(table, labels.add(table))
        repeated_rows.add(table.frame.hash_rows().to_numpy())
    columns = [scan.finish() for scan in scans]
    counts = labels.counts()
    labels.refused = {name: explain_bare(e, source) for name, e in labels.refused.items()}
    found_leaks = leaks.find()
    findings = list_findings(columns, labels, counts, found_leaks, repeated_rows.repeats)
    return Inspection(
        source=source.name,
        rows=rows,
        columns=columns,
        label_columns=label_columns,
        labels=counts,
        guessed=not patterns,
        pairs=labels.pairs(MOST_PAIRS),
        leaks=found_leaks,
        repeated_rows=repeated_rows.repeats,
        candidates=[] if label_columns else list(list_candidates(columns)),
        findings=sorted(findings, key=lambda finding: finding.outcome != "refused"),
    )


class _Leaks:
    """Looks for features that alone tell a label.

    Classes and tags are not all known before the last row. A label that nothing is, NO_LABEL, has
    every row with a known cell as a negative, and a new class or tag begins with what it has. Of
    many of them, the first MOST_LEAK_LABELS are looked at.
    """

    def __init__(self, labels: LabelScan) -> None:
        self._labels = labels
        self._scan: LeakScan | None = None

    def add(self, table: Table, targets: NDArray[np.float32]) -> None:
        if not self._labels.columns:
            return
        if self._scan is None:
            features = [
                column
                for column, dtype in table.frame.schema.items()
                if column not in self._labels.columns and is_readable(dtype)
            ]
            known = self._labels.labels if self._labels.is_binary else [NO_LABEL]
            self._scan = LeakScan(features, known)
        if not self._labels.is_binary:
            self._scan.grow([NO_LABEL, *self._labels.labels[:MOST_LEAK_LABELS]], like=0)
            targets = _with_no_label(targets[:, :MOST_LEAK_LABELS])
        self._scan.add(table.frame, targets)

    def find(self) -> list[Leak]:
        """Return the leaks of the labels that can be read, in the order of columns and labels."""
        order = {count.label: i for i, count in enumerate(self._labels.counts())}
        found = self._scan.find() if self._scan else []
        columns = {leak.column: i for i, leak in enumerate(found)}
        read = [leak for leak in found if leak.label in order]
        return sorted(read, key=lambda leak: (columns[leak.column], order[leak.label]))


def _with_no_label(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put a label before the others, (B, L), that is 0 where any of them is known."""
    known = ~np.isnan(targets).all(axis=1, keepdims=True)
    return np.hstack([np.where(known, np.float32(0), np.float32(np.nan)), targets])
