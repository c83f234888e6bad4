"""Which columns are labels, how their cells are encoded, and how many of each there are."""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import TYPE_CHECKING

from imbalance_cli.errors import LabelError, nearest
from imbalance_cli.readers.source import Tally, is_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import polars as pl

    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import ColumnTally, Source

POSITIVE_TEXTS = frozenset({"1", "true", "yes", "t", "y"})
NEGATIVE_TEXTS = frozenset({"0", "false", "no", "f", "n"})
LABEL_NAMES = frozenset({"y", "label", "target"})
LABEL_PREFIX = "y_"
BARE_TEXTS = frozenset({"0", "1", "0.0", "1.0"})


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

    def __add__(self, other: Counts) -> Counts:
        """Add the counts of further rows, label by label.

        Raises:
            LabelError: the labels differ.
        """
        theirs = {counts.label: counts for counts in other.labels}
        ours = {counts.label for counts in self.labels}
        differing = sorted(ours ^ theirs.keys())
        if differing:
            raise LabelError(
                f"label {differing[0]!r} is in one of the counts and not in the other",
                hint="counts can be added when they are of the same labels",
            )
        return Counts(self.rows + other.rows, [c + theirs[c.label] for c in self.labels])


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
    chosen: dict[str, None] = {}
    for pattern in patterns:
        is_name = pattern in columns
        matches = [c for c in columns if c == pattern or (not is_name and _glob(c, pattern))]
        if not matches:
            raise LabelError(
                f"{name}: no column {pattern!r}; the columns are {list_names(columns)}",
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
    tally = source.tally(labels or source.columns)
    if labels is None:
        labels = source.columns
        others = [label for label in labels if not _is_bare(tally.columns[label])]
        if others:
            raise no_label_found(source, others)
    return counts_of_tally(tally, source.name, positive)


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
    sides: dict[str, bool | None] = {}
    for text in column.counts:
        side = _side(text, positive)
        if side is None and not is_missing(text):
            place = f"{prefix}{column.places[text]}: " if text in column.places else prefix
            raise LabelError(
                f"{place}column {label!r}: {text!r} is not a binary label",
                hint="0/1, true/false, yes/no, t/f, y/n are; --positive VALUE (data.positive in a "
                "config) names another value that means 1",
            )
        sides[text] = side
    negatives = [text for text, side in sides.items() if side is False]
    if positive is not None and (len({n.strip() for n in negatives}) > 1 or column.overflow):
        text = negatives[-1]
        place = f"{prefix}{column.places[text]}: " if text in column.places else prefix
        raise LabelError(
            f"{place}column {label!r}: {text!r} is a third value beside {positive!r} and "
            f"{negatives[0]!r}",
            hint="a binary label has two values",
        )
    return sides


def _side(text: str, positive: str | None) -> bool | None:
    stripped = text.strip()
    if positive is not None:
        if stripped == positive.strip() or _same_number(stripped, positive):
            return True
        return None if is_missing(text) else False
    lower = stripped.lower()
    if lower in POSITIVE_TEXTS or _same_number(lower, "1"):
        return True
    return False if lower in NEGATIVE_TEXTS or _same_number(lower, "0") else None


def _same_number(text: str, other: str) -> bool:
    try:
        return float(text) == float(other)
    except ValueError:
        return False


def _is_bare(column: ColumnTally) -> bool:
    known = {text.strip() for text in column.counts if not is_missing(text)}
    return bool(known) and known <= BARE_TEXTS and not column.overflow


def _glob(column: str, pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[") and fnmatch.fnmatchcase(column, pattern)
