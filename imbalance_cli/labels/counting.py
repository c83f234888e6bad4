"""Counting labels in one pass over a source."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.errors import LabelError
from imbalance_cli.labels.binary import check_positive, read_texts
from imbalance_cli.labels.counts import Counts, LabelCounts, add_counts
from imbalance_cli.labels.selection import (
    explain_bare,
    list_names,
    no_label_found,
    only_column,
    select_labels,
)
from imbalance_cli.labels.settings import LabelSettings
from imbalance_cli.readers.source import Tally, is_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.labels.encoding import EncodingName
    from imbalance_cli.readers.source import ColumnTally, Source

BARE_TEXTS = frozenset({"0", "1", "0.0", "1.0"})


PLAIN = LabelSettings()


def count_labels(
    source: Source, patterns: Sequence[str] = (), settings: LabelSettings = PLAIN
) -> Counts:
    """Count positives, negatives and missing cells of each binary label in one pass over a source.

    Args:
        source: an open source.
        patterns: names or globs of the label columns; none means y, label, target, y_*, or else
            every column if they all hold nothing but 0, 1 and blanks.
        settings: how they are read.

    Raises:
        LabelError: no label was found, or a cell cannot be read as one.
        SourceError: the source cannot be read.
    """
    labels = select_labels(source.columns, patterns, source.name, source)
    check_positive(settings.positive)
    if settings.by_batches:
        if labels is None:
            raise no_label_found(source)
        from imbalance_cli.labels.batches import count_binary

        return count_binary(source, labels, settings)
    tally = source.tally(labels or source.columns)
    if labels is None:
        labels = source.columns
        others = [label for label in labels if not _is_bare(tally.columns[label])]
        if others:
            raise no_label_found(source, others)
    try:
        counts = counts_of_tally(tally, source.name, settings.positive)
    except LabelError as error:
        raise explain_bare(error, source) from error
    return counts.without_missing() if settings.missing == "negative" else counts


def count_sources(
    sources: Sequence[Source], patterns: Sequence[str] = (), settings: LabelSettings = PLAIN
) -> Counts:
    """Count the labels of several sources as if they were one.

    Args:
        sources: open sources.
        patterns: as in `count_labels`.
        settings: how the labels are read.

    Raises:
        LabelError: no label was found, the labels of two sources differ, or a cell cannot be read.
        SourceError: a source cannot be read.
    """
    if settings.encoding in {"auto", "binary"}:
        counts = add_counts([(s.name, count_labels(s, patterns, settings)) for s in sources])
    else:
        counts = _count_values(sources, patterns, settings)
    remarks = [remark for source in sources for remark in source.remarks]
    if settings.is_weighted and counts.rows:
        remarks += _judge_weights(sources, counts, settings)
    return dataclasses.replace(counts, remarks=(*remarks, *counts.remarks)) if remarks else counts


def _count_values(
    sources: Sequence[Source], patterns: Sequence[str], settings: LabelSettings
) -> Counts:
    """Count the classes or tags of the one label column that all sources have."""
    encoding: EncodingName = "one_vs_rest" if settings.encoding == "one_vs_rest" else "tags"
    columns = [_only_label(source, patterns, encoding) for source in sources]
    if len(set(columns)) > 1:
        raise LabelError(
            f"{sources[0].name}: the labels are in column {columns[0]!r}, and elsewhere in "
            f"{list_names([repr(column) for column in columns[1:] if column != columns[0]])}",
            hint="name one column that all sources have: --labels NAME",
        )
    from imbalance_cli.labels.batches import count_values

    return count_values(sources, columns[0], encoding, settings)


def _only_label(source: Source, patterns: Sequence[str], encoding: str) -> str:
    labels = select_labels(source.columns, patterns, source.name, source)
    if labels is None:
        raise no_label_found(source)
    return only_column(labels, encoding, source.name)


def _judge_weights(sources: Sequence[Source], counts: Counts, settings: LabelSettings) -> list[str]:
    """Return a sentence on each column of which one weight is a good part of all.

    Raises:
        LabelError: every weight is 0.
    """
    from imbalance_cli.labels.batches import weight_columns
    from imbalance_cli.labels.sample_weights import WeightColumns, describe_heaviest

    columns = WeightColumns(settings.sample_weight)
    if settings.cell_weights is not None:
        labels = [label.label for label in counts.labels]
        columns = weight_columns(sources[0], labels, settings)
    if not any(label.total for label in counts.labels):
        raise columns.no_weight(list_names([source.name for source in sources], most=3))
    by_column = {columns.of(label.label): label for label in counts.labels}
    return [
        sentence
        for column, label in by_column.items()
        if column is not None
        for sentence in describe_heaviest(
            column, counts.heaviest[label.label], label.total, counts.rows
        )
    ]


def counts_of_tally(tally: Tally, name: str, positive: str | None) -> Counts:
    """Turn counted texts into counts of positives, negatives and missing cells.

    Raises:
        LabelError: a label has a text that is neither, or three values.
    """
    labels = []
    for label, column in tally.columns.items():
        sides: dict[bool | None, int] = {True: 0, False: 0, None: 0}
        for text, side in read_texts(column, positive, f"{name}: ", label).items():
            sides[side] += column.counts[text]
        labels.append(LabelCounts(label, sides[True], sides[False], sides[None]))
    return Counts(tally.rows, labels)


def _is_bare(column: ColumnTally) -> bool:
    known = {text.strip() for text in column.counts if not is_missing(text)}
    return known <= BARE_TEXTS and not column.overflow
