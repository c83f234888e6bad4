"""What is fitted on features and noticed in them, of a table in memory or in one streaming pass.

Shapes: N rows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import SourceError
from imbalance_cli.features import (
    Drift,
    FeatureCounts,
    FeatureScan,
    Preprocessing,
    fit_preprocessing,
)
from imbalance_cli.leaks import (
    Duplicates,
    Leak,
    LeakScan,
    count_duplicates,
    find_leaks,
    hash_rows,
)
from imbalance_cli.notation import apply_notations
from imbalance_cli.progress import Stage, tell_nobody
from imbalance_cli.readers import Table, stack_tables, stream_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.progress import Tell
    from imbalance_cli.rows.loading import LabelledTable
    from imbalance_cli.rows.roles import Roles


MOST_PROFILED = 10_000  # training rows that others are compared with
MOST_FOR_LEAKS = 256  # labels that features are held against


@dataclasses.dataclass(frozen=True)
class Scan:
    """What the features of a table gave.

    Attributes:
        preprocessing: fitted on the rows to learn from.
        duplicates: rows with the features of others.
        leaks: features that tell a label in the training part.
        labels: how many labels leaks were looked for in, the commonest.
        shifts: how features of the test part differ from those of the training part.
    """

    preprocessing: Preprocessing
    duplicates: Duplicates
    leaks: list[Leak]
    labels: int
    shifts: list[str] = dataclasses.field(default_factory=list)


def scan_table(roles: Roles, data: LabelledTable, learned: NDArray[np.intp]) -> Scan:
    """Scan features that are in memory.

    Args:
        roles: which columns are features.
        data: the rows and their parts.
        learned: the row numbers to learn from.

    Raises:
        FeatureError: a column cannot be used.
    """
    table, split, targets = data.table, data.split, data.targets
    numbers = choose_for_leaks(data)
    names = [data.labels[number] for number in numbers]
    fitted = fit_preprocessing(table, roles.features, learned)
    fitted = dataclasses.replace(fitted, notations=data.notations)
    preprocessing = fitted.profiled(_take(table, learned[:: _step(len(learned))]))
    return Scan(
        preprocessing,
        count_duplicates(hash_rows(table.frame, roles.features), split, targets),
        find_leaks(table, roles.features, names, targets.select(numbers), split.train),
        len(numbers),
        _list_shifts(preprocessing, _take(table, split.test[:: _step(len(split.test))])),
    )


def scan_stream(
    roles: Roles, data: LabelledTable, learned: NDArray[np.intp], tell: Tell = tell_nobody
) -> Scan:
    """Scan features in one pass over the sources; of each row, 9 bytes stay in memory.

    Args:
        roles: which columns are features.
        data: the rows and their parts, without features.
        learned: the row numbers to learn from.
        tell: receives the progress.

    Raises:
        FeatureError: a column cannot be used.
        SourceError: a record cannot be read, or a source has other rows than before.
    """
    rows = len(data.targets)
    is_learned, is_train, is_test = np.zeros((3, rows), np.bool_)
    is_learned[learned], is_train[data.split.train], is_test[data.split.test] = True, True, True
    features = FeatureScan(roles.features)
    numbers = choose_for_leaks(data)
    leaks = LeakScan(roles.features, [data.labels[number] for number in numbers])
    hashes = np.zeros(rows, np.uint64)
    some, of_test = [], []
    for part, table in stream_rows(data, roles.features, tell, "scanning features"):
        some.append(_take(table, np.flatnonzero(is_learned[part])[:: _step(len(learned))]))
        of_test.append(_take(table, np.flatnonzero(is_test[part])[:: _step(len(data.split.test))]))
        features.add(table, is_learned[part])
        leaks.add(
            table.frame, data.targets.take(part).select(numbers), np.flatnonzero(is_train[part])
        )
        if roles.features:
            hashes[part] = hash_rows(table.frame, roles.features)
    fitted = dataclasses.replace(features.finish(), notations=data.notations)
    preprocessing = fitted.profiled(stack_tables(some, data.table.name))
    shifts = _list_shifts(preprocessing, stack_tables(of_test, data.table.name))
    del features, some, of_test  # what they hold is as large as what follows
    return Scan(
        preprocessing,
        count_duplicates(hashes, data.split, data.targets),
        leaks.findings().leaks,
        len(numbers),
        shifts,
    )


def _list_shifts(preprocessing: Preprocessing, table: Table) -> list[str]:
    """Return a sentence for each feature of some rows that is unlike that of training."""
    counts = FeatureCounts()
    preprocessing.transform(table, counts)
    return Drift(table.frame.height, preprocessing.drift(counts), []).sentences()


def _step(rows: int) -> int:
    """Return between how many rows one is taken, so that MOST_PROFILED are."""
    return max(rows // MOST_PROFILED, 1)


def _take(table: Table, rows: NDArray[np.intp]) -> Table:
    """Return some rows; where they stood is not kept, since that would keep the whole table."""
    name = table.name
    return Table(name, table.frame[rows.tolist()], lambda _: name)


def choose_for_leaks(data: LabelledTable) -> NDArray[np.intp]:
    """Return the numbers of the labels to look for leaks in, MOST_FOR_LEAKS of the commonest.

    Each is held against each feature by itself, and a rare one hardly ever has enough positives.
    """
    labels = np.arange(len(data.labels))
    if len(labels) <= MOST_FOR_LEAKS:
        return labels
    positives = data.targets.take(data.split.train).counts()[0]
    return np.sort(np.argsort(-positives, kind="stable")[:MOST_FOR_LEAKS])


def stream_rows(
    data: LabelledTable, columns: Sequence[str], tell: Tell = tell_nobody, stage: str = "reading"
) -> Iterator[tuple[slice, Table]]:
    """Yield columns of all rows, some at a time, and which row numbers these have.

    Args:
        data: the rows.
        columns: to read.
        tell: receives the progress.
        stage: what this is called there.

    Raises:
        SourceError: a record cannot be read, or there are not as many rows as before.
    """
    first, rows = 0, len(data.targets)
    for read in stream_tables(data.reopen(), columns, sparse=False):
        table = apply_notations(read, data.notations)
        tell(Stage(stage, first, rows, "rows"))
        last = first + table.frame.height
        if last <= rows:
            yield slice(first, last), table
        first = last
    if first != rows:
        raise SourceError(
            f"{data.table.name}: has {first:,} rows, and had {rows:,} when the labels were read",
            hint="fit again once nothing writes to it any more",
        )
