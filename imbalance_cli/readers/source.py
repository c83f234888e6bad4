"""What every reader offers: the column names, batches of columns, and a tally of cell texts."""

from __future__ import annotations

import dataclasses
import functools
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    import polars as pl
    import scipy.sparse as sp

    from imbalance_cli.errors import SourceError

MOST_DENSE = 128
"""Labels of a source whose targets are a cell each; those of more are the positive cells alone,
where the source has these."""

MISSING_TEXTS = frozenset({"", "na", "nan", "null"})
"""Cell texts that stand for a missing value, stripped and in lower case."""

MISSING_WORDS = frozenset(
    {
        *("n/a", "#n/a", "#n/a n/a", "#na", "<na>", "none", "nat", "\\n", "-nan", "+nan"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    }
)
"""Further ones among numbers, dates and labels of 0 and 1: those of pandas, R and SQL that can mean
nothing else there. Among other words None is a word, and may be a category, a class or a tag."""

BARE_KEY = "y"
"""The key of an array that has none."""

DISTINCT_LIMIT = 16
"""A tally keeps at most this many distinct texts a column; a binary label needs far fewer."""


def is_missing(text: str) -> bool:
    """Return whether a cell's text stands for a missing value among 0 and 1."""
    word = text.strip().lower()
    return word in MISSING_TEXTS or word in MISSING_WORDS


@dataclasses.dataclass
class ColumnTally:
    """How often each distinct text occurs in one column, and where it was first seen.

    Attributes:
        counts: rows a text; at most DISTINCT_LIMIT texts.
        places: "line 7" or "row 7" a text, where the reader noted it.
        overflow: whether there were more distinct texts than that.
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    places: dict[str, str] = dataclasses.field(default_factory=dict)
    overflow: bool = False

    def add(self, counts: Mapping[str, int]) -> list[str]:
        """Add counts of texts and return the texts not seen before."""
        fresh = [text for text in counts if text not in self.counts]
        for text, count in counts.items():
            if text in self.counts or len(self.counts) < DISTINCT_LIMIT:
                self.counts[text] = self.counts.get(text, 0) + count
            else:
                self.overflow = True
        return [text for text in fresh if text in self.counts]


@dataclasses.dataclass
class Tally:
    """Cell texts counted in several columns of one source."""

    rows: int
    columns: dict[str, ColumnTally]

    @classmethod
    def empty(cls, columns: Sequence[str]) -> Tally:
        """Return a tally of no rows."""
        return cls(rows=0, columns={column: ColumnTally() for column in columns})

    @property
    def overflow(self) -> bool:
        """Whether a column has too many texts for a label, so that counting on is no use."""
        return any(column.overflow for column in self.columns.values())


@dataclasses.dataclass(frozen=True)
class SparseColumns:
    """Label columns of which only the cells that are 1 are held; the others are 0.

    Attributes:
        names: of the columns, (L,).
        ones: (N, L) a 1 in each of those cells.
    """

    names: list[str]
    ones: sp.csr_array


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a source.

    Attributes:
        frame: the columns asked for; text formats give every cell as it stands, as a string.
        place: says where a row of the frame stands in the source: "line 7" or "row 7".
        sparse: columns that are not in the frame, of `Source.mixed_batches`.
        plain: columns of texts that the format itself says are numbers, in no notation.
    """

    frame: pl.DataFrame
    place: Callable[[int], str]
    sparse: SparseColumns | None = None
    plain: frozenset[str] = frozenset()


class Source:
    """A table that can be read in one pass with flat memory.

    Attributes:
        name: for errors.
        columns: their names.
        rows: how many there are, where that is known without reading them.
        keys: the name of each array in an archive -> its columns; empty for tables.
        own_labels: the columns that the format itself says are labels; none for tables.
        own_groups: the columns that the format itself says are groups, not features.
        remarks: sentences on what was found beside the table and is not read.
        doubt: what to raise where a column that is asked for is not there: that the names of the
            columns seem to be a row.
    """

    name: str
    columns: list[str]
    rows: int | None = None
    keys: Mapping[str, Sequence[str]] = MappingProxyType({})
    own_labels: Sequence[str] = ()
    own_groups: Sequence[str] = ()
    remarks: Sequence[str] = ()
    doubt: SourceError | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns, some rows at a time."""
        raise NotImplementedError

    def mixed_batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns as `batches` does, but more than MOST_DENSE labels may be sparse."""
        yield from self.batches(columns)

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory.

        It ends at the batch where a column has too many of them for a label.

        Raises:
            SourceError: a row cannot be read.
        """
        return tally_batches(self.batches(columns), columns)

    def types(self, columns: Sequence[str]) -> Mapping[str, pl.DataType]:  # noqa: ARG002  of those that have any
        """Return the types of columns in all batches; none for texts, whose cells decide."""
        return MappingProxyType({})

    def include(self, columns: Sequence[str]) -> None:  # noqa: ARG002  what a sparse format needs
        """Take in columns that other files of the same data have.

        A sparse format leaves out what is 0, and so may leave out whole columns; a table has all
        of its columns, and this does nothing.

        Raises:
            SourceError: the format has no such column.
        """
        return

    def refuse_beyond(self, columns: Sequence[str]) -> None:  # noqa: ARG002  as `include`
        """Raise where a sparse format has a feature outside of the range of those of other files.

        A file that counts from 1 where the others count from 0 has its last feature there.

        Raises:
            SourceError: it names the line and the feature.
        """
        return


def row_batch(frame: pl.DataFrame, first: int, prefix: str = "") -> Batch:
    """Return a batch whose places are rows, the first of them `first`, counted from 0."""
    return Batch(frame, lambda row: f"{prefix}row {first + row + 1}")


def is_readable(dtype: pl.DataType) -> bool:
    """Return whether cells of a type are texts, numbers or moments, rather than lists or bytes."""
    import polars as pl

    return not (dtype.is_nested() or dtype in (pl.Binary, pl.Duration, pl.Object))


def are_numbers(cells: pl.Series) -> bool:
    """Return whether all cells are numbers or NaN, of a type that numpy has."""
    import polars as pl

    is_number = cells.dtype.is_integer() or cells.dtype.is_float() or cells.dtype == pl.Boolean
    return is_number and "128" not in str(cells.dtype) and not cells.null_count()


def texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of typed columns as strings, a null as the empty string.

    A column of lists, bytes or the like becomes the name of its type: it has no cell texts.
    """
    import polars as pl

    return frame.with_columns(
        pl.col(name).cast(pl.String).fill_null("")
        if is_readable(dtype)
        else pl.lit(str(dtype)).alias(name)
        for name, dtype in frame.schema.items()
    )


def tally_batches(batches: Iterator[Batch], columns: Sequence[str]) -> Tally:
    """Count the distinct cell texts of batches, up to the one where a column has too many."""
    tally = Tally.empty(columns)
    for batch in batches:
        for column, text, row in tally_frame(batch.frame, tally):
            tally.columns[column].places[text] = batch.place(row)
        if tally.overflow:
            break
    return tally


def tally_frame(frame: pl.DataFrame, tally: Tally) -> list[tuple[str, str, int]]:
    """Add a frame of columns of any types to a tally of texts.

    Returns:
        (column, text, row in the frame) for each text that the tally had not seen.
    """
    fresh = []
    for column, column_tally in tally.columns.items():
        cells = frame[column]
        counts, rows = _count_binary(cells, column_tally.counts) or _count_texts(cells)
        fresh += [(column, text, rows[text]) for text in column_tally.add(counts)]
    tally.rows += frame.height
    return fresh


def _count_texts(cells: pl.Series) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many cells have each text, and the row of its first one, in the order of rows."""
    import polars as pl

    plain = cells.alias("text").to_frame()
    groups = (plain if is_readable(cells.dtype) else texts(plain)).with_row_index("row")
    found = groups.group_by("text", maintain_order=True).agg(pl.len(), pl.first("row"))
    counts: dict[str, int] = {}
    rows: dict[str, int] = {}
    for text, count, row in zip(
        texts(found.select("text"))["text"], found["len"], found["row"], strict=True
    ):
        counts[text] = counts.get(text, 0) + count  # a null and a blank have one text
        rows.setdefault(text, row)
    return counts, rows


def _count_binary(
    cells: pl.Series, known: Container[str]
) -> tuple[dict[str, int], dict[str, int]] | None:
    """Count as `_count_texts` does, faster, where all cells are the numbers 0 and 1 or missing.

    Args:
        cells: of any type.
        known: the texts whose row is not asked for.
    """
    import numpy as np

    if not are_numbers(cells):
        return None
    values = cells.to_numpy()
    tests = {text: values == i for i, text in enumerate(_binary_texts(cells.dtype))}
    found = {text: int(np.count_nonzero(test)) for text, test in tests.items()}
    if sum(found.values()) < len(values):
        tests["NaN"] = values != values  # noqa: PLR0124  as NaN alone is
        found["NaN"] = int(np.count_nonzero(tests["NaN"]))
    if sum(found.values()) < len(values):
        return None
    counts = {text: count for text, count in found.items() if count}
    rows = {text: int(tests[text].argmax()) for text in counts if text not in known}
    return dict(sorted(counts.items(), key=lambda pair: rows.get(pair[0], 0))), rows


@functools.cache
def _binary_texts(dtype: pl.DataType) -> tuple[str, str]:
    import polars as pl

    zero, one = pl.Series([0, 1]).cast(dtype).cast(pl.String)
    return zero, one
