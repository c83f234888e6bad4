"""Reading tables: one Source a format, behind `open_source`."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.streams import STDIN, check_file
from imbalance_cli.readers.typed import ArraySource, ParquetSource, first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from imbalance_cli.readers.source import Batch, Source

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst", ".parquet", ".npy")


def open_source(name: str) -> Source:
    """Open a table by its suffix, or CSV on stdin for "-".

    Raises:
        SourceError: the file is missing, empty, broken, or of a kind we do not read.
    """
    if name == STDIN:
        return DelimitedSource(name, ",")
    suffixes = [s.lower() for s in Path(name).suffixes]
    suffix = "".join(suffixes[-2:] if suffixes[-1:] in ([".gz"], [".zst"]) else suffixes[-1:])
    match suffix:
        case ".csv" | ".csv.gz" | ".csv.zst":
            return DelimitedSource(name, ",")
        case ".tsv" | ".tsv.gz" | ".tsv.zst":
            return DelimitedSource(name, "\t")
        case ".parquet":
            return ParquetSource(name)
        case ".npy":
            return ArraySource(name)
    check_file(name)
    raise SourceError(
        f"{name}: no reader for the suffix {suffix!r}",
        hint=f"one of {', '.join(SUFFIXES)}; or pipe CSV in and name the source -",
    )


@dataclasses.dataclass(frozen=True)
class Table:
    """All rows of one or several sources.

    Attributes:
        name: the sources' names, for errors.
        frame: the columns asked for.
        place: says where a row stands: "b.csv: line 7".
    """

    name: str
    frame: pl.DataFrame
    place: Callable[[int], str]


def read_table(sources: Sequence[Source], columns: Sequence[str]) -> Table:
    """Read the columns of several sources with the same columns, one below the other.

    Raises:
        SourceError: a record cannot be read, or a source lacks a column.
    """
    tables: list[Table] = []
    for source in sources:
        missing = [column for column in columns if column not in source.columns]
        if missing:
            raise SourceError(
                f"{source.name}: no column {missing[0]!r}, which {sources[0].name} has"
            )
        tables += [batch_table(batch, source.name) for batch in source.batches(columns)]
    return stack_tables(tables, ", ".join(source.name for source in sources))


def batch_table(batch: Batch, name: str) -> Table:
    """Return a batch of the source called `name` as a table."""
    return Table(name, batch.frame, lambda row: f"{name}: {batch.place(row)}")


def stack_tables(tables: Sequence[Table], name: str) -> Table:
    """Put tables with the same columns below each other.

    Raises:
        SourceError: a column is of different types.
    """
    import polars as pl

    starts = list(itertools.accumulate((table.frame.height for table in tables), initial=0))

    def place(row: int) -> str:
        number = bisect.bisect_right(starts, row) - 1
        return tables[number].place(row - starts[number])

    try:
        frame = pl.concat([table.frame for table in tables])
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{name}: columns of different types: {first_line(error)}") from error
    return Table(name, frame, place)
