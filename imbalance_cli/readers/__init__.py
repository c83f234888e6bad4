"""Reading tables: one Source a format, behind `open_source`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.streams import STDIN, check_file
from imbalance_cli.readers.typed import ArraySource, ParquetSource, first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from imbalance_cli.readers.source import Source

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
    import polars as pl

    frames: list[pl.DataFrame] = []
    places: list[tuple[int, str, Callable[[int], str]]] = []
    rows = 0
    for source in sources:
        missing = [column for column in columns if column not in source.columns]
        if missing:
            raise SourceError(
                f"{source.name}: no column {missing[0]!r}, which {sources[0].name} has"
            )
        for batch in source.batches(columns):
            frames.append(batch.frame)
            places.append((rows, source.name, batch.place))
            rows += batch.frame.height

    def place(row: int) -> str:
        first, name, within = next(p for p in reversed(places) if p[0] <= row)
        return f"{name}: {within(row - first)}"

    try:
        frame = pl.concat(frames)
    except pl.exceptions.PolarsError as error:
        names = ", ".join(source.name for source in sources)
        raise SourceError(f"{names}: columns of different types: {first_line(error)}") from error
    return Table(", ".join(source.name for source in sources), frame, place)
