"""One look at a source: its columns, its labels, and what `fit` would say to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.inspection.columns import ColumnScan
from imbalance_cli.inspection.findings import list_candidates, list_findings
from imbalance_cli.inspection.repeats import RepeatCounter
from imbalance_cli.inspection.results import Inspection
from imbalance_cli.inspection.targets import LabelScan
from imbalance_cli.labels import LabelSettings, check_positive, select_labels
from imbalance_cli.leaks import Leak, LeakScan
from imbalance_cli.readers import Table, batch_table
from imbalance_cli.readers.cells import is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imbalance_cli.readers.source import Source

MOST_PAIRS = 10
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
    """Looks for features that alone tell a binary label.

    Classes and tags are not all known before the last row, so features are not held against them.
    """

    def __init__(self, labels: LabelScan) -> None:
        self._labels = labels
        self._scan: LeakScan | None = None

    def add(self, table: Table, targets: NDArray[np.float32]) -> None:
        if not self._labels.is_binary:
            return
        if self._scan is None:
            features = [
                column
                for column, dtype in table.frame.schema.items()
                if column not in self._labels.columns and is_readable(dtype)
            ]
            self._scan = LeakScan(features, self._labels.columns)
        self._scan.add(table.frame, targets)

    def find(self) -> list[Leak]:
        found = self._scan.find() if self._scan else []
        return [leak for leak in found if leak.label not in self._labels.refused]
