"""Which columns are labels, how their cells are encoded, and how many of each there are."""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import TYPE_CHECKING

from imbalance_cli.errors import ConfigError, ImbtrainError, LabelError, nearest
from imbalance_cli.readers.source import DISTINCT_LIMIT, Tally, is_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import ColumnTally, Source

POSITIVE_TEXTS = frozenset({"1", "true", "yes", "t", "y"})
NEGATIVE_TEXTS = frozenset({"0", "false", "no", "f", "n"})
LABEL_NAMES = frozenset({"y", "label", "target"})
LABEL_PREFIX = "y_"
BARE_TEXTS = frozenset({"0", "1", "0.0", "1.0"})
LONGEST_SHOWN = 60  # characters of a cell in an error


@dataclasses.dataclass(frozen=True)
class LabelCounts:
    """How many positives, negatives and missing cells one label has; counts add up exactly."""

    label: str
    positives: int
    negatives: int
    missing: int = 0

    def __add__(self, other: LabelCounts) -> LabelCounts:
        return LabelCounts(
            self.label,
            self.positives + other.positives,
            self.negatives + other.negatives,
            self.missing + other.missing,
        )

    @property
    def prevalence(self) -> float | None:
        """Positives over known cells; None where no cell is known."""
        known = self.positives + self.negatives
        return self.positives / known if known else None


@dataclasses.dataclass(frozen=True)
class Counts:
    """The counts of several labels over the same rows."""

    rows: int
    labels: list[LabelCounts]


def add_counts(parts: Sequence[tuple[str, Counts]]) -> Counts:
    """Add the counts of several sources, label by label.

    Args:
        parts: (name, counts) of each source; the name is for errors.

    Raises:
        LabelError: the labels of two sources differ.
    """
    (first_name, first), *others = parts
    total = {counts.label: counts for counts in first.labels}
    rows = first.rows
    for name, part in others:
        labels = {counts.label for counts in part.labels}
        differing = [*(total.keys() - labels), *(labels - total.keys())]
        if differing:
            label = min(differing)
            has, lacks = (first_name, name) if label in total else (name, first_name)
            raise LabelError(
                f"{lacks}: no label {label!r}, which {has} has",
                hint="counts can be added when they are of the same labels",
            )
        rows += part.rows
        total |= {counts.label: total[counts.label] + counts for counts in part.labels}
    return Counts(rows, list(total.values()))


def select_labels(columns: Sequence[str], patterns: Sequence[str], name: str) -> list[str] | None:
    """Choose the label columns by name or glob, in the order of the patterns.

    Args:
        columns: all columns of the source.
        patterns: names or globs; none means those called y, label, target or y_*.
        name: the source, for errors.

    Returns:
        The label columns, or None where there are no patterns and no column has such a name.

    Raises:
        LabelError: a pattern matches no column.
    """
    if not patterns:
        named = [c for c in columns if c in LABEL_NAMES or c.startswith(LABEL_PREFIX)]
        return named or None
    return match_columns(patterns, columns, name, LabelError)


def match_columns(
    patterns: Sequence[str],
    columns: Sequence[str],
    where: str,
    error: type[ImbtrainError] = ConfigError,
) -> list[str]:
    """Choose columns by name or glob, in the order of the patterns.

    Args:
        patterns: a column's name means that column alone, whatever it would match as a glob.
        columns: all columns of the source.
        where: the source, and what asked for the columns, for errors.
        error: what is raised.

    Raises:
        ImbtrainError: an `error`, if a pattern matches no column.
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        is_name = pattern in columns
        matches = [pattern] if is_name else [c for c in columns if fnmatch.fnmatchcase(c, pattern)]
        if not matches:
            raise error(
                f"{where}: no column {pattern!r}; the columns are {list_names(columns)}",
                hint=nearest(pattern, columns),
            )
        chosen |= dict.fromkeys(matches)
    return list(chosen)


def list_names(names: Iterable[str], most: int = 20) -> str:
    """Return names as a readable list that stops after `most`."""
    known = list(names)
    shown = ", ".join(known[:most])
    return f"{shown}, ... ({len(known)} in all)" if len(known) > most else shown


def count_labels(
    source: Source, patterns: Sequence[str] = (), positive: str | None = None
) -> Counts:
    """Count positives, negatives and missing cells of each label in one pass over a source.

    Args:
        source: an open source.
        patterns: names or globs of the label columns; none means y, label, target, y_*, or else
            every column if they all hold nothing but 0, 1 and blanks.
        positive: the text that means 1; the other one then means 0.

    Raises:
        LabelError: no label was found, or a label is not binary.
        SourceError: the source cannot be read.
    """
    labels = select_labels(source.columns, patterns, source.name)
    check_positive(positive)
    tally = source.tally(labels or source.columns)
    if labels is None:
        labels = source.columns
        others = [label for label in labels if not _is_bare(tally.columns[label])]
        if others:
            raise no_label_found(source, others)
    return counts_of_tally(tally, source.name, positive)


def check_positive(positive: str | None) -> None:
    """Raise if the text that means 1 is one that stands for a missing value.

    Raises:
        LabelError: it is.
    """
    if positive is not None and is_missing(positive):
        raise LabelError(
            f"the positive value is {positive!r}, which stands for a missing cell",
            hint="name another text that means 1, or leave it out",
        )


def no_label_found(source: Source, others: Sequence[str] = ()) -> LabelError:
    """Return the error that no column of a source has a label's name."""
    more = f", and {others[0]!r} holds more than 0, 1 and blanks" if others else ""
    return LabelError(
        f"{source.name}: no column is called y, label, target or y_*{more}; "
        f"the columns are {list_names(source.columns)}",
        hint="say which are labels: --labels NAME, or data.labels in a config",
    )


def counts_of_tally(tally: Tally, name: str, positive: str | None) -> Counts:
    """Turn counted texts into counts of positives, negatives and missing cells.

    Raises:
        LabelError: a label has a text that is neither, or three values.
    """
    labels = []
    for label, column in tally.columns.items():
        sides: dict[bool | None, int] = {True: 0, False: 0, None: 0}
        for text, side in _read_texts(column, positive, f"{name}: ", label).items():
            sides[side] += column.counts[text]
        labels.append(LabelCounts(label, sides[True], sides[False], sides[None]))
    return Counts(tally.rows, labels)


def encode_labels(table: Table, labels: Sequence[str], positive: str | None) -> np.ndarray:
    """Return the targets of a table as floats: 1, 0, or NaN where the cell is missing.

    Args:
        table: holds the label columns, as strings or typed.
        labels: the columns, L of them.
        positive: the text that means 1; the other one then means 0.

    Returns:
        float32 of shape (N, L).

    Raises:
        LabelError: a label has a text that is neither, or three values.
    """
    import numpy as np
    import polars as pl

    from imbalance_cli.readers.source import tally_frame
    from imbalance_cli.readers.typed import texts

    check_positive(positive)
    tally = Tally.empty(labels)
    frame = texts(table.frame.select(labels))
    for label, text, row in tally_frame(frame, tally):
        tally.columns[label].places[text] = table.place(row)
    values = {True: 1.0, False: 0.0, None: None}
    targets = np.empty((frame.height, len(labels)), np.float32)
    for i, (label, column) in enumerate(tally.columns.items()):
        sides = _read_texts(column, positive, "", label)
        meaning = {text: values[side] for text, side in sides.items()}
        cells = frame[label].replace_strict(meaning, return_dtype=pl.Float32)
        targets[:, i] = cells.to_numpy()
    return targets


def _read_texts(
    column: ColumnTally, positive: str | None, prefix: str, label: str
) -> dict[str, bool | None]:
    """Say of each text of a column whether it is positive, negative or missing (None)."""
    sides = {text: _side(text, positive) for text in column.counts}

    def place(text: str) -> str:
        return f"{prefix}{column.places[text]}: " if text in column.places else prefix

    for text, side in sides.items():
        if side is None and not is_missing(text):
            raise LabelError(
                f"{place(text)}column {label!r}: {_quote(text)} is not a binary label",
                hint="0/1, true/false, yes/no, t/f, y/n are; --positive VALUE (data.positive in a "
                "config) names another value that means 1",
            )
    negatives = [text for text, side in sides.items() if side is False]
    third = [text for text in negatives if not _same_value(text, negatives[0])]
    if positive is not None and third:
        raise LabelError(
            f"{place(third[0])}column {label!r}: {_quote(third[0])} is a third value beside "
            f"{_quote(positive)} and {_quote(negatives[0])}",
            hint="a binary label has two values",
        )
    if column.overflow:
        raise LabelError(
            f"{prefix}column {label!r} has more than {DISTINCT_LIMIT} spellings of its two values",
            hint="write each value in one way, for instance 0 and 1",
        )
    return sides


def _side(text: str, positive: str | None) -> bool | None:
    if positive is not None:
        if _same_value(text, positive):
            return True
        return None if is_missing(text) else False
    word = text.strip().lower()
    if word in POSITIVE_TEXTS or _same_value(word, "1"):
        return True
    return False if word in NEGATIVE_TEXTS or _same_value(word, "0") else None


def _same_value(text: str, other: str) -> bool:
    if text.strip() == other.strip():
        return True
    try:
        return float(text) == float(other)
    except ValueError:
        return False


def _quote(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


def _is_bare(column: ColumnTally) -> bool:
    known = {text.strip() for text in column.counts if not is_missing(text)}
    return known <= BARE_TEXTS and not column.overflow
