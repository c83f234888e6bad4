"""Features in one file and targets in another, row by row side by side."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers import open_source
from imbalance_cli.readers.arrays import as_features
from imbalance_cli.readers.dialect import UNKNOWN, Dialect
from imbalance_cli.readers.formats import is_table_url
from imbalance_cli.readers.source import Batch, Source, Tally
from imbalance_cli.readers.urls import name_urls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl


class JoinedSource(Source):
    """The columns of two sources with the same rows.

    The columns y, y_0, y_1, ... of an array without a key are called x, x_0, x_1, ... where the
    array is of features.

    Args:
        features: the first source; has no labels of its own.
        targets: the second source; all of its columns are labels.

    Raises:
        SourceError: both have a column of one name, the features' format has labels, or the
            numbers of rows are known and differ.
    """

    def __init__(self, features: Source, targets: Source) -> None:
        self.name = f"{features.name}, {targets.name}"
        if features.own_labels:
            raise SourceError(
                f"{features.name}: has the label {features.own_labels[0]!r}, and {targets.name} "
                "is given for the targets",
                hint=f"leave {targets.name} out, or name a file of features alone",
            )
        if doubt := features.doubt or targets.doubt:
            raise doubt
        self._features, self._targets = as_features(features), targets
        both = [column for column in targets.columns if column in self._features.columns]
        if both:
            raise SourceError(
                f"{features.name} and {targets.name} both have a column {both[0]!r}",
                hint="rename it in one of them",
            )
        self.columns = [*self._features.columns, *targets.columns]
        self.keys = self._join_keys()
        self.own_labels = targets.columns
        self.own_groups = [*features.own_groups, *targets.own_groups]
        self.remarks = [*features.remarks, *targets.remarks]
        if features.rows is not None and targets.rows is not None:
            self.rows = features.rows
            self._check_rows(features.rows, targets.rows)

    def include(self, columns: Sequence[str]) -> None:
        """Take in feature columns that other files of the same data have.

        Raises:
            SourceError: the format of the features has no such column.
        """
        targets = frozenset(self._targets.columns)
        self._features.include([column for column in columns if column not in targets])
        self.columns = [*self._features.columns, *self._targets.columns]

    def refuse_beyond(self, columns: Sequence[str]) -> None:
        """Raise where the features have one outside of the range of those of other files.

        Raises:
            SourceError: it names the line and the feature.
        """
        self._features.refuse_beyond(columns)

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory.

        Raises:
            SourceError: a row cannot be read, or the numbers of rows differ.
        """
        features, targets = self._part(columns)
        if self.rows is None or bool(features) == bool(targets):
            return super().tally(columns)
        return self._targets.tally(targets) if targets else self._features.tally(features)

    def types(self, columns: Sequence[str]) -> Mapping[str, pl.DataType]:
        """Return the types of the columns that have any."""
        features, targets = self._part(columns)
        return {**self._features.types(features), **self._targets.types(targets)}

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns, some rows at a time.

        Raises:
            SourceError: a row cannot be read, or the numbers of rows differ.
        """
        features, targets = self._part(columns)
        if self.rows is not None and not (features and targets):
            side = self._targets if targets else self._features
            yield from side.batches(targets or features)
            return
        # one column of a side that none is asked of: rows that one file lacks are found
        left = _Rows(self._features.batches(features or self._features.columns[:1]))
        right = _Rows(self._targets.batches(targets or self._targets.columns[:1]))
        while height := min(left.ready(), right.ready()):
            feature_batch, target_batch = left.take(height), right.take(height)
            frame = feature_batch.frame.hstack(target_batch.frame)
            place = functools.partial(self._place, feature_batch, target_batch)
            plain = feature_batch.plain | target_batch.plain
            yield Batch(frame[list(columns)], place, plain=plain)
        self._check_rows(left.count(), right.count())

    def _part(self, columns: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the columns of each source."""
        known = set(self._features.columns)
        features = [column for column in columns if column in known]
        return features, [column for column in columns if column not in known]

    def _place(self, feature_batch: Batch, target_batch: Batch, row: int) -> str:
        left, right = feature_batch.place(row), target_batch.place(row)
        if left == right:
            return left
        return f"{left} of {self._features.name}, {right} of {self._targets.name}"

    def _join_keys(self) -> dict[str, Sequence[str]]:
        keys = dict(self._features.keys)
        for key, columns in self._targets.keys.items():
            if key in keys:
                raise SourceError(
                    f"{self._features.name} and {self._targets.name} both have an array {key!r}",
                    hint="save it by another key in one of them",
                )
            keys[key] = columns
        return keys

    def _check_rows(self, features: int, targets: int) -> None:
        if features != targets:
            raise SourceError(
                f"{self._features.name} has {features:,} rows and {self._targets.name} {targets:,}",
                hint="row i of one belongs to row i of the other",
            )


class _Rows:
    """The rows of batches, taken as many at a time as asked for.

    Attributes:
        rows: how many there are in the batches read so far.
    """

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.rows = 0
        self._batches = batches
        self._batch: Batch | None = None
        self._first = 0  # the first row of the batch that was not taken

    def ready(self) -> int:
        """Return how many rows can be taken at once, 0 at the end."""
        while self._batch is None or self._first == self._batch.frame.height:
            batch = next(self._batches, None)
            if batch is None:
                return 0
            self._batch, self._first = batch, 0
            self.rows += batch.frame.height
        return self._batch.frame.height - self._first

    def take(self, height: int) -> Batch:
        """Return the next rows, at most as many as are ready."""
        if self._batch is None:
            raise ValueError("no batch is ready")
        batch, first = self._batch, self._first
        self._first += height
        rows = batch.frame[first : first + height]
        return Batch(rows, lambda row: batch.place(first + row), plain=batch.plain)

    def count(self) -> int:
        """Return how many rows there are in all, reading those that are left."""
        return self.rows + sum(batch.frame.height for batch in self._batches)


def open_counted(
    names: Sequence[str],
    labels: Sequence[str],
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
) -> tuple[list[Source], Sequence[str]]:
    """Open sources whose labels are counted as one; a file of targets goes with a lone one.

    Args:
        names: as in `open_source`.
        labels: names or globs of columns, or one file.
        input_format: of the sources.
        dialect: of those that are delimited text.

    Returns:
        The sources, and the names or globs of their label columns.

    Raises:
        SourceError: one of them cannot be opened, or they do not go together.
    """
    if len(names) == 1:
        source, patterns = open_labelled(names[0], labels, input_format, dialect)
        return [source], patterns
    sources = [open_source(name, input_format, dialect) for name in name_urls(names)]
    files = [label for label in labels if is_targets_file(label, sources[0])]
    if files:
        raise SourceError(
            f"labels: {files[0]}: a file of labels goes with one source, and {len(names)} are "
            "given",
            hint="count them one by one with --format json, and add them up with --merge",
        )
    return sources, labels


def is_file(name: str) -> bool:
    """Return whether what may as well be the name of a column is that of a file, or a URL."""
    try:
        return is_table_url(name) or Path(name).is_file()
    except OSError:  # longer than the name of any file
        return False


def is_targets_file(name: str, source: Source) -> bool:
    """Return whether the name of a label is a file, rather than columns of the source."""
    known = name in source.columns or name in source.keys
    return not known and is_file(name)


def open_labelled(
    name: str,
    labels: Sequence[str],
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
) -> tuple[Source, Sequence[str]]:
    """Open a source and, where that is what names its labels, a file of targets beside it.

    Args:
        name: as in `open_source`.
        labels: names or globs of columns, or one file.
        input_format: of the source.
        dialect: of the source, if it is delimited text.

    Returns:
        The source, and the names or globs of its label columns.

    Raises:
        SourceError: one of them cannot be opened, or they do not go together.
    """
    source = open_source(name, input_format, dialect)
    files = [label for label in labels if is_targets_file(label, source)]
    if not files:
        return source, labels
    if len(labels) > 1:
        raise SourceError(
            f"labels: {files[0]}: a file of labels stands alone, and {len(labels)} are given",
            hint="one file that holds all labels",
        )
    return JoinedSource(source, open_source(files[0])), ()
