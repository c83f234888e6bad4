"""Reading tables: one Source a format, behind `open_source`."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.progress import follow, tell_nobody
from imbalance_cli.readers.dialect import UNKNOWN, Dialect, check_comment, parse_delimiter
from imbalance_cli.readers.formats import (
    FORMAT_SPECS,
    HEAD_BYTES,
    Opening,
    check_format,
    detect_format,
    refuse_idle_dialect,
)
from imbalance_cli.readers.partitions import is_table_of_files
from imbalance_cli.readers.source import SparseColumns
from imbalance_cli.readers.streams import STDIN, look_ahead
from imbalance_cli.readers.typed import first_line, shared_numbers
from imbalance_cli.readers.urls import name_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from imbalance_cli.progress import Tell
    from imbalance_cli.readers.source import Batch, Source

__all__ = [
    "Table",
    "batch_table",
    "find_row",
    "open_source",
    "read_table",
    "stack_tables",
    "stream_tables",
]


def open_source(
    name: str,
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
    *,
    usual: Dialect = UNKNOWN,
) -> Source:
    r"""Open a table in the format that its first bytes and its name tell.

    Where no delimiter is given, that of delimited text is read off the header: a comma if there is
    one, else the one of ; \t | that is there.

    Args:
        name: a path, a URL, a glob or directory of Parquet files, or "-" for stdin.
        input_format: one of FORMAT_SPECS, which then is not looked for.
        dialect: how delimited text is written, its delimiter as `parse_delimiter` reads it.
        usual: what holds of delimited text where nothing else is given; the delimiter does where
            the header holds it.

    Raises:
        DependencyError: the package that reads a URL or a format is not installed.
        SourceError: the file is missing, empty, broken, or of a kind we do not read, or there
            can be no such dialect.
    """
    if not name:
        raise SourceError("the source is empty", hint="name a file, or - for stdin")
    given = _check_dialect(dialect)
    assumed = given.or_else(dataclasses.replace(usual, delimiter=None))
    name = name_url(name)
    head = b"" if name != STDIN and is_table_of_files(name) else look_ahead(name, HEAD_BYTES)
    found = check_format(input_format) if input_format else detect_format(name, head, assumed)
    refuse_idle_dialect(name, found, given, is_named=input_format is not None)
    return FORMAT_SPECS[found].open(Opening(name, head, assumed, usual.delimiter))


def _check_dialect(dialect: Dialect) -> Dialect:
    key, example = "delimiter", "';' or '\\t'"
    try:
        if dialect.delimiter is not None:
            dialect = dataclasses.replace(dialect, delimiter=parse_delimiter(dialect.delimiter))
        key, example = "comment", "'#'"
        if dialect.comment is not None:
            check_comment(dialect.comment)
    except ValueError as error:
        raise SourceError(f"--{key} (data.{key}): {error}", hint=f"such as {example}") from error
    return dialect


@dataclasses.dataclass(frozen=True)
class Table:
    """All rows of one or several sources.

    Attributes:
        name: the sources' names, for errors.
        frame: the columns asked for.
        place: says where a row stands: "b.csv: line 7".
        sparse: label columns that are not in the frame, since there are many.
        plain: columns of texts that the format itself says are numbers, in no notation.
    """

    name: str
    frame: pl.DataFrame
    place: Callable[[int], str]
    sparse: SparseColumns | None = None
    plain: frozenset[str] = frozenset()


def read_table(
    sources: Sequence[Source], columns: Sequence[str], tell: Tell = tell_nobody
) -> Table:
    """Read the columns of several sources with the same columns, one below the other.

    Raises:
        SourceError: a record cannot be read, or a source lacks a column.
    """
    tables = list(follow(_tables(sources, columns), tell, "reading", lambda t: t.frame.height))
    return stack_tables(tables, ", ".join(source.name for source in sources))


def _tables(sources: Sequence[Source], columns: Sequence[str]) -> Iterator[Table]:
    for source in sources:
        known = frozenset(source.columns)
        missing = [column for column in columns if column not in known]
        if missing:
            raise SourceError(
                f"{source.name}: no column {missing[0]!r}, which {sources[0].name} has"
            )
        for batch in source.mixed_batches(columns):
            yield batch_table(batch, source.name)


def stream_tables(
    sources: Sequence[Source], columns: Sequence[str], *, sparse: bool = True
) -> Iterator[Table]:
    """Yield the columns of sources, some rows at a time.

    A column of whole numbers in one of them and of others in another one is of the numbers that
    hold both, as `stack_tables` makes it.

    Args:
        sources: whose rows come one after the other.
        columns: of all of them.
        sparse: whether many labels may be, as of `Source.mixed_batches`.

    Raises:
        SourceError: a record cannot be read, or a column is of different types.
    """
    shared = shared_numbers(
        [source.types(columns) for source in sources] if len(sources) > 1 else []
    )
    types: dict[str, pl.DataType] = {}
    for source in sources:
        for read in source.mixed_batches(columns) if sparse else source.batches(columns):
            batch = dataclasses.replace(read, frame=read.frame.cast(shared))
            for column, dtype in batch.frame.schema.items():
                first = types.setdefault(column, dtype)
                if dtype != first and not (dtype.is_numeric() and first.is_numeric()):
                    raise SourceError(
                        f"{source.name}: columns of different types: {column!r} is {dtype} after "
                        f"{first}"
                    )
            yield batch_table(batch, source.name)


def find_row(sources: Sequence[Source], columns: Sequence[str], row: int) -> tuple[str, Table]:
    """Return where a row of sources stands, and a table of it alone, by reading up to it.

    Args:
        sources: whose rows are counted one after the other.
        columns: of the table.
        row: its number, from 0 up.

    Raises:
        SourceError: a record cannot be read, or there are not so many rows.
    """
    first = 0
    for table in stream_tables(sources, columns):
        own = row - first
        if own < table.frame.height:
            return table.place(own), dataclasses.replace(table, frame=table.frame[own : own + 1])
        first += table.frame.height
    raise SourceError(
        f"{first:,} rows are left, and more were read before",
        hint="try again once nothing writes to the sources any more",
    )


def batch_table(batch: Batch, name: str) -> Table:
    """Return a batch of the source called `name` as a table."""
    return Table(
        name, batch.frame, lambda row: f"{name}: {batch.place(row)}", batch.sparse, batch.plain
    )


def stack_tables(tables: Sequence[Table], name: str) -> Table:
    """Put tables with the same columns below each other; whole numbers and others are numbers.

    Raises:
        SourceError: a column is of different types.
    """
    import polars as pl

    starts = list(itertools.accumulate((table.frame.height for table in tables), initial=0))

    def place(row: int) -> str:
        number = bisect.bisect_right(starts, row) - 1
        return tables[number].place(row - starts[number])

    shared = shared_numbers([table.frame.schema for table in tables])
    try:
        frame = pl.concat([table.frame.cast(shared) for table in tables])
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{name}: columns of different types: {first_line(error)}") from error
    plain = frozenset[str].intersection(*(table.plain for table in tables))
    return Table(name, frame, place, _stack_sparse(tables), plain)


def _stack_sparse(tables: Sequence[Table]) -> SparseColumns | None:
    parts = [table.sparse for table in tables if table.sparse is not None]
    if not parts:
        return None
    import scipy.sparse as sp

    return SparseColumns(parts[0].names, sp.vstack([part.ones for part in parts], format="csr"))
