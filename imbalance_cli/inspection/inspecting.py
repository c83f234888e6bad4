"""One look at a source: its columns, its labels, and what `fit` would say to them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.features.kinds import LABELS
from imbalance_cli.inspection.columns import Column, ColumnScan
from imbalance_cli.inspection.findings import list_candidates, list_findings
from imbalance_cli.inspection.label_leaks import LabelLeaks
from imbalance_cli.inspection.numeric_categories import MOST_LABELS, NumericCategoryScan
from imbalance_cli.inspection.repeats import RepeatCounter
from imbalance_cli.inspection.results import Inspection
from imbalance_cli.inspection.targets import LabelScan
from imbalance_cli.labels import LabelSettings, check_positive, explain_bare, select_labels
from imbalance_cli.notation import NotationSettings, choose_notations
from imbalance_cli.progress import Stage, follow, tell_nobody
from imbalance_cli.readers import batch_table
from imbalance_cli.readers.plain_numbers import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels import LabelCounts
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import Source

MOST_PAIRS = 10
SPARSE_LABELS = "y_*"  # the glob that stands for all labels of such a source
ROW_HASHES = 2**20  # kept of all rows; past it repeated rows are estimated
PLAIN = LabelSettings()


def inspect_source(
    source: Source,
    patterns: Sequence[str] = (),
    settings: LabelSettings = PLAIN,
    tell: Tell = tell_nobody,
) -> Inspection:
    """Look at every cell of a source once, with flat memory.

    A label that cannot be read is a finding, not an error.

    Args:
        source: an open source.
        patterns: names or globs of the label columns; none means y, label, target and y_*.
        settings: how the labels are read.
        tell: receives the progress.

    Raises:
        LabelError: a pattern matches no column, or several match where one is read.
        SourceError: the source cannot be read.
    """
    check_positive(settings.positive)
    label_columns = select_labels(source.columns, patterns, source.name, source) or []
    tables = follow(_read(source, label_columns), tell, "reading", lambda table: table.frame.height)
    first = next(tables, None)
    is_sparse = first is not None and first.sparse is not None
    labels = LabelScan(label_columns, settings, source.name, sparse=is_sparse)
    names = source.columns if first is None else first.frame.columns
    scans = {name: ColumnScan(name) for name in names}
    repeated_rows = RepeatCounter(ROW_HASHES)
    leaks = LabelLeaks(labels, source.own_groups)
    numeric_categories = NumericCategoryScan()
    is_told_by_labels = labels.is_binary and bool(label_columns)
    may_be_names = {*names} - {*label_columns, *source.own_groups} if is_told_by_labels else set()
    rows = 0
    for table in itertools.chain([] if first is None else [first], tables):
        rows += table.frame.height
        targets = labels.add(table)
        leaks.add(table, targets)
        of_some = targets.dense(slice(MOST_LABELS)) if may_be_names else None
        for name, numbers in read_columns(table.frame, names):
            cells = table.frame[name]
            if numbers is None:
                scans[name].add(cells, table.place)
            else:
                scans[name].add_numbers(numbers, table.place)
            if of_some is not None and name in may_be_names:
                numeric_categories.add(cells, numbers, of_some)
        repeated_rows.add(_hash_rows(table))
    are_labels = frozenset(label_columns)
    evidence = {name: s.notation for name, s in scans.items() if name not in are_labels}
    choices = choose_notations(evidence, NotationSettings())
    choices |= {
        name: choice for name, choice in numeric_categories.find().items() if name not in choices
    }
    judged = follow(scans.items(), tell, "judging", lambda _: 1, len(scans), "columns")
    columns = [scan.finish(choices.get(name)) for name, scan in judged]
    counts = labels.counts()
    labels.refused = {name: explain_bare(e, source) for name, e in labels.refused.items()}
    tell(Stage("looking for likely leaks"))
    found = leaks.findings({name: choice.reading for name, choice in choices.items()})
    limits = [*source.remarks, *leaks.limits(rows), *labels.limits()]
    listed = [column for column in columns if column.name not in source.own_groups]
    findings = list_findings(listed, labels, counts, found.leaks, repeated_rows.repeats, limits)
    return Inspection(
        source=source.name,
        rows=rows,
        columns=[_sum_up(counts, rows), *columns] if is_sparse else columns,
        label_columns=[SPARSE_LABELS] if is_sparse else label_columns,
        group_columns=list(source.own_groups),
        labels=counts,
        guessed=not patterns,
        pairs=labels.pairs(MOST_PAIRS),
        leaks=found.leaks,
        strongest=found.strongest,
        repeated_rows=repeated_rows.repeats,
        candidates=[] if label_columns else list(list_candidates(columns)),
        findings=sorted(findings, key=lambda finding: finding.outcome != "refused"),
    )


def _read(source: Source, label_columns: Sequence[str]) -> Iterator[Table]:
    """Yield all columns of a source; where all of many labels are asked for, these are sparse."""
    are_labels = set(label_columns).issuperset(source.own_labels)
    read = source.mixed_batches if are_labels else source.batches
    for batch in read(source.columns):
        yield batch_table(batch, source.name)


def _hash_rows(table: Table) -> NDArray[np.uint64]:
    """Return a number for each row, (B,), the same where all cells are."""
    hashes: NDArray[np.uint64] = table.frame.hash_rows().to_numpy()
    if table.sparse is None:
        return hashes
    ones = table.sparse.ones
    factors = pl.Series(table.sparse.names, dtype=pl.String).hash().to_numpy()
    running = np.concatenate([np.zeros(1, np.uint64), factors[ones.indices].cumsum()])
    of_labels = running[ones.indptr[1:]] - running[ones.indptr[:-1]]  # both wrap around
    both = pl.DataFrame({"features": hashes, "labels": of_labels})
    result: NDArray[np.uint64] = both.hash_rows().to_numpy()
    return result


def _sum_up(counts: Sequence[LabelCounts], rows: int) -> Column:
    """Return the one line for all labels of a source that holds them sparse."""
    cells, positives = rows * len(counts), int(sum(label.positives for label in counts))
    values = {"0": cells - positives, "1": positives}
    present = {value: number for value, number in values.items() if number}
    return Column(SPARSE_LABELS, LABELS, cells, 0, len(present), values=present)
