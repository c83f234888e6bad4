"""From label columns to targets: binary, one label a class, or one label a tag.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from imbalance_cli.errors import LabelError, number_of, show_cell
from imbalance_cli.labels.binary import (
    check_positive,
    encode_labels,
    is_missing_name,
)
from imbalance_cli.labels.counts import BLANK_IS_NEGATIVE
from imbalance_cli.labels.selection import list_names
from imbalance_cli.labels.tags import DEFAULT_SEPARATOR, TagReader, is_tag_list, suggest_separator
from imbalance_cli.labels.targets import MISSING, DenseTargets, SparseTargets
from imbalance_cli.readers.cells import CELL, WHOLE_FLOAT
from imbalance_cli.readers.source import MISSING_TEXTS, MOST_DENSE, Tally, is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import SparseColumns

EncodingName = Literal["binary", "one_vs_rest", "tags"]
MissingPolicy = Literal["mask", "negative", "drop", "error"]
LEAST_OF_AN_ID = 50  # distinct values, from which a column may be one of ids


@dataclasses.dataclass
class Vocabulary:
    """The classes or tags of one column, collected a batch at a time.

    Attributes:
        column: its name.
        encoding: one_vs_rest or tags.
        separator: between the tags of a cell; None for the default, where another one is refused
            if it fits better.
        rows: how many rows hold each class or tag.
        known: how many cells are not missing.
        blank: how many cells are.
        missing_words: how many cells hold each word that stands for a missing value, and so are
            not in `blank`.
        ambiguous_tags: how many cells of text hold such a word among other tags, where it is a tag.
    """

    column: str
    encoding: EncodingName
    separator: str | None = None
    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    known: int = 0
    blank: int = 0
    missing_words: dict[str, int] = dataclasses.field(default_factory=dict)
    ambiguous_tags: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = TagReader(self.column, self.separator)

    def add(self, table: Table) -> pl.Series:
        """Add the cells of a batch, and return them as `list_values` does.

        Raises:
            LabelError: a cell holds an empty tag, or is a list and others are none.
        """
        values = list_values(table, self.encoding, self._reader)
        self.known += len(values) - values.null_count()
        self._note_missing(table.frame[self.column].filter(values.is_null()))
        # in lists a word is a tag wherever it stands
        is_text = table.frame[self.column].dtype == pl.String and not self._reader.is_list
        found = values.explode(empty_as_null=True).drop_nulls().alias("value")
        for value, count in found.to_frame().group_by("value").len().iter_rows():
            self.rows[value] = self.rows.get(value, 0) + count
            if is_text and is_missing_name(value):
                self.ambiguous_tags[value] = self.ambiguous_tags.get(value, 0) + count
        return values

    def _note_missing(self, cells: pl.Series) -> None:
        """Count the words among missing cells, and the others, which are blank."""
        self.blank += len(cells)
        if cells.dtype == pl.String:
            texts = cells.alias("word").str.strip_chars()
            words = texts.replace("", None).drop_nulls().to_frame()
            for word, count in words.group_by("word").len().iter_rows():
                self.missing_words[word] = self.missing_words.get(word, 0) + count
                self.blank -= count

    def remarks(self, *, missing_is_given: bool = False) -> list[str]:
        """Return sentences on what may be read otherwise than it is meant.

        These are words that are read as missing and may be a class or tag, blank cells of tags,
        and a separator that no cell holds.

        Args:
            missing_is_given: whether it was said what a missing cell is, so that the words and the
                blank cells need no sentence.
        """
        idle = self._judge_separator() if self.separator is not None else None
        others = [] if idle is None else [f"column {self.column!r}: {idle[0]}"]
        return others if missing_is_given else others + self._remark_on_missing()

    def _remark_on_missing(self) -> list[str]:
        kind = "class" if self.encoding == "one_vs_rest" else "tag"
        among = [
            f"column {self.column!r}: {count:,} cell{'s hold' if count > 1 else ' holds'} {word!r} "
            f"among other tags, where it is read as a tag, and alone it is missing; write it in "
            f"other words, such as {word + '_'!r}"
            for word, count in sorted(self.ambiguous_tags.items())
        ]
        if self.blank and self.encoding == "tags":
            verbs = "are blank and so count" if self.blank > 1 else "is blank and so counts"
            among.append(
                f"column {self.column!r}: {number_of(self.blank, 'cell')} {verbs} as missing; "
                f"if blank means no tags: {BLANK_IS_NEGATIVE}"
            )
        return among + [
            f"column {self.column!r}: {count:,} cell{'s' if count > 1 else ''} {word!r} "
            f"{'are' if count > 1 else 'is'} read as missing; if {word} is a {kind}, write it in "
            f"other words, such as {word + '_'!r}"
            for word, count in sorted(self.missing_words.items())
        ]

    def labels(self, name: str) -> list[str]:
        """Return the labels, numbers by size and texts by alphabet.

        Args:
            name: the source, for errors.

        Raises:
            LabelError: there are fewer than two classes, no tag, or as many as an id has; or none
                of the cells holds the default separator, and another one parts them.
        """
        kind = "class" if self.encoding == "one_vs_rest" else "tag"
        least = 2 if self.encoding == "one_vs_rest" else 1
        if len(self.rows) < least:
            found = f"only {next(iter(self.rows))!r}" if self.rows else "none"
            raise LabelError(
                f"{name}: column {self.column!r} has {found}, and {self.encoding} needs at least "
                f"{least} {kind}{'es' if least > 1 else ''}",
                hint="another column, or more rows",
            )
        if self.encoding == "one_vs_rest" and LEAST_OF_AN_ID <= self.known < 2 * len(self.rows):
            raise LabelError(
                f"{name}: column {self.column!r} has {len(self.rows):,} values in {self.known:,} "
                f"cells, such as {show_cell(next(iter(self.rows)))}: it looks like an id or a "
                "measurement, not a class",
                hint="another label column; or data.encoding: binary",
            )
        other = self._judge_separator() if self.separator is None else None
        if other is not None:
            raise LabelError(f"{name}: column {self.column!r}: {other[0]}", hint=other[1])
        return sorted(self.rows, key=_natural)

    def _judge_separator(self) -> tuple[str, str] | None:
        """Return what to say, and to do, where no cell holds the separator and another one fits."""
        if self.encoding != "tags" or self._reader.is_parted:
            return None
        return suggest_separator(self.rows, self.separator or DEFAULT_SEPARATOR)

    def rare(self, minimum: int) -> list[str]:
        """Return the labels with fewer rows than `minimum`, the rarest first."""
        few = [(count, label) for label, count in self.rows.items() if count < minimum]
        return [label for _, label in sorted(few)]


@dataclasses.dataclass
class LabelEncoder:
    """Turns the label columns of a table into targets.

    Attributes:
        encoding: how.
        columns: what is read: the labels themselves, or the one column of classes or tags.
        labels: names, (L,).
        positive: of `binary`, the text that means 1.
        separator: of `tags`; None for the default.
        unseen: classes or tags that were met and are no label, with how many rows.
    """

    encoding: EncodingName
    columns: list[str]
    labels: list[str]
    positive: str | None = None
    separator: str | None = None
    unseen: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive(self.positive)
        self._seen = Tally.empty(self.columns)  # a third value may come in a later batch
        self._reader = TagReader(self.columns[0], self.separator)

    def encode(self, table: Table) -> Targets:
        """Return (N, L): those of more than MOST_DENSE classes or tags are sparse.

        So are those of columns that the table holds sparse.

        Raises:
            LabelError: a cell is not binary, holds an empty tag, or is a list and others are none.
        """
        if table.sparse is not None:
            return self._read_sparse(table.name, table.sparse)
        if self.encoding == "binary":
            return encode_labels(table, self.labels, self.positive, self._seen)
        values = list_values(table, self.encoding, self._reader)
        missing = values.is_null().to_numpy()
        rows, labels = self._positions(values)
        shape = (len(values), len(self.labels))
        if len(self.labels) > MOST_DENSE:
            return SparseTargets.of(rows, labels, shape, missing)
        cells = np.zeros(shape, np.int8)
        cells[missing] = MISSING
        cells[rows, labels] = 1
        return DenseTargets(cells)

    def _read_sparse(self, name: str, columns: SparseColumns) -> SparseTargets:
        if self.encoding != "binary" or self.positive not in {None, "1"}:
            raise LabelError(
                f"{name}: its labels are the numbers that a row lists: they are read as binary, "
                "and 1 means 1",
                hint="without data.encoding and data.positive (--encoding, --positive)",
            )
        ones = columns.ones
        if columns.names != self.labels:
            numbers = {column: i for i, column in enumerate(columns.names)}
            ones = ones[:, [numbers[label] for label in self.labels]]
        rows, labels = ones.nonzero()
        return SparseTargets.of(rows, labels, ones.shape)

    def _positions(self, values: pl.Series) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the row and the label of every positive, and note what is no label."""
        lengths = values.list.len().fill_null(0).to_numpy()
        rows = np.repeat(np.arange(len(values)), lengths)
        flat = values.filter(values.list.len().fill_null(0) > 0).explode(empty_as_null=True)
        numbers = {label: i for i, label in enumerate(self.labels)}
        labels = flat.replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()
        is_label = labels >= 0
        others = flat.filter(~is_label).alias("value").to_frame()
        for value, count in others.group_by("value").len().iter_rows():
            self.unseen[value] = self.unseen.get(value, 0) + count
        return rows[is_label], labels[is_label]

    @property
    def unseen_shown(self) -> str | None:
        """A sentence about classes or tags that are no label, or None."""
        if not self.unseen:
            return None
        kind = "classes" if self.encoding == "one_vs_rest" else "tags"
        shown = list_names([show_cell(value) for value in sorted(self.unseen)], most=5)
        return (
            f"column {self.columns[0]!r} holds {kind} that the labels do not have, which count as "
            f"none of them: {shown}"
        )


def list_values(table: Table, encoding: EncodingName, reader: TagReader) -> pl.Series:
    """Return the classes or tags of each cell as a list, null where the cell is missing.

    A whole number is the same class whether it is written 3 or 3.0. A column of lists, as Parquet
    and NDJSON have them, or CSV as text, holds tags as it stands; a null in a list is no tag.

    Raises:
        LabelError: a cell holds an empty tag, the column holds neither texts nor numbers, or some
            cells are lists and others are none.
    """
    column = reader.column
    cells = table.frame[column].alias(CELL)
    if is_tag_list(cells.dtype) and encoding == "tags":
        return reader.read(table, cells)
    if not is_readable(cells.dtype):
        raise LabelError(
            f"{table.name}: column {column!r} holds {cells.dtype}, and a label is a text, a number "
            "or, for tags, a list of these"
        )
    texts = cells.cast(pl.String).str.strip_chars()
    texts = texts.set(texts.str.to_lowercase().is_in(list(MISSING_TEXTS)), None)
    if encoding == "tags":
        return reader.read(table, texts)
    whole = texts.str.replace(WHOLE_FLOAT, "${1}")
    return whole.reshape((-1, 1)).arr.to_list().set(whole.is_null(), None)


def apply_missing_policy(
    policy: MissingPolicy, table: Table, targets: Targets, labels: Sequence[str]
) -> tuple[Targets, NDArray[np.bool_]]:
    """Return targets, (N, L), and which rows stay, (N,), where labels are missing.

    Args:
        policy: mask leaves them missing, negative makes them 0, drop drops their rows, and error
            raises.
        table: for the place in an error.
        targets: (N, L).
        labels: names, (L,).

    Raises:
        LabelError: a label is missing and the policy is `error`.
    """
    if policy == "negative":
        return targets.filled(), np.ones(len(targets), np.bool_)
    incomplete = targets.incomplete_rows()
    if policy == "error" and incomplete.any():
        row = int(incomplete.argmax())
        label = int(np.isnan(targets.take(slice(row, row + 1)).dense()[0]).argmax())
        raise LabelError(
            f"{table.place(row)}: column {labels[label]!r}: the label is missing, and "
            "data.missing_labels is error",
            hint="data.missing_labels: mask, negative or drop",
        )
    if policy == "drop":
        return targets.mask(rows=~incomplete), ~incomplete
    return targets, np.ones(len(targets), np.bool_)


def _natural(label: str) -> tuple[bool, float, str]:
    try:
        return False, float(label), label
    except ValueError:
        return True, 0.0, label
