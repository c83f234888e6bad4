"""Sources whose cells have types: Parquet and Arrow files."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from imbalance_cli.errors import NoRowsError, SourceError, show_cell
from imbalance_cli.readers.fetching import name_of
from imbalance_cli.readers.partitions import (
    NO_VALUE,
    find_contradiction,
    find_parts,
    is_table_of_files,
    partition_values,
)
from imbalance_cli.readers.source import Batch, Source, row_batch
from imbalance_cli.readers.streams import STDIN, as_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

BATCH_ROWS = 2**18
ARROW_STREAM = b"\xff\xff\xff\xff"  # the mark before each message; a file begins with ARROW1
ARROW_STREAM_END = ARROW_STREAM + bytes(4)


@dataclasses.dataclass(frozen=True)
class Part:
    """One of the files of a table.

    Attributes:
        name: the file.
        table: its columns, to be read later.
        rows: how many there are.
        named: the columns whose value the names of the file's directories give too.
    """

    name: str
    table: pl.LazyFrame
    rows: int
    named: Mapping[str, str | None] = dataclasses.field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, name: str, scan: Callable[[Path], pl.LazyFrame], kind: str) -> Part:
        """Read what a file says of its columns and rows.

        Raises:
            SourceError: it is not of that kind.
        """
        import polars as pl

        try:
            table = scan(path)
            table.collect_schema()
            rows: int = table.select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise SourceError(f"{name}: not {kind} file: {first_line(error)}") from error
        return cls(name, table, rows)


class ScannedSource(Source):
    """Files with typed columns that polars reads a slice at a time.

    Args:
        name: the source.
        parts: its files, with the same columns.
    """

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        self.name = name
        self._parts = parts
        self.columns = parts[0].table.collect_schema().names()

    def types(self, columns: Sequence[str]) -> Mapping[str, pl.DataType]:
        """Return the types of the columns."""
        schema = self._parts[0].table.collect_schema()
        return {column: schema[column] for column in columns}

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns with their own types, some rows at a time.

        Raises:
            SourceError: a file is damaged, or there are no rows.
        """
        import polars as pl
        from polars import selectors

        if not any(part.rows for part in self._parts):
            raise NoRowsError(f"{self.name}: no rows")
        names = list(columns)
        for part in self._parts:
            prefix = "" if part.name == self.name else f"{part.name}: "
            for first in range(0, part.rows, BATCH_ROWS):
                rows = part.table.select(selectors.by_name(names)).slice(first, BATCH_ROWS)
                try:
                    frame = rows.collect(engine="streaming")[names]
                except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
                    raise SourceError(
                        f"{self.name}: {prefix}after row {first}: cannot be read: "
                        f"{first_line(error)}"
                    ) from error
                batch = row_batch(frame, first, prefix)
                self._check_directories(part, batch)
                yield batch

    def _check_directories(self, part: Part, batch: Batch) -> None:
        """Raise where a column has another value than the directory that the file is in."""
        for column in [name for name in batch.frame.columns if name in part.named]:
            cells, value = batch.frame[column], part.named[column]
            row = find_contradiction(cells, value)
            if row is not None:
                raise SourceError(
                    f"{self.name}: {batch.place(row)}: column {column!r}: "
                    f"{show_cell(cells[row])}, in a directory called "
                    f"{column}={NO_VALUE if value is None else value}",
                    hint=f"move the rows to the directory of their {column}, or leave the column "
                    "out of the files",
                )


class ParquetSource(ScannedSource):
    """A Parquet file, a glob of them, or a directory of them, as one table.

    Directories called key=value are columns, of integers where all values are, unless the files
    have a column of that name, which then says the same.

    Args:
        name: a path, a URL, a glob, or "-" for stdin, which is copied to a temporary file.

    Raises:
        SourceError: a file is missing or not Parquet, or two files have other columns, or other
            types in one that are not both numbers.
    """

    def __init__(self, name: str) -> None:
        if name == STDIN or not is_table_of_files(name):
            super().__init__(*_open_file(self, name, _scan_parquet, "a Parquet"))
            return
        found = find_parts(name)
        paths, self.remarks = found.parts, found.remarks(name)
        values = partition_values(name, paths)
        parts = [Part.open(path, name_of(path), _scan_parquet, "a Parquet") for path in paths]
        shared = shared_numbers([part.table.collect_schema() for part in parts])
        _check_schemas(name, parts, shared)
        parts = [dataclasses.replace(part, table=part.table.cast(shared)) for part in parts]
        super().__init__(name, _with_partitions(parts, values))


class ArrowSource(ScannedSource):
    """An Arrow IPC file, which Feather files are too, or an Arrow IPC stream.

    A stream has no table of contents, so that all of it is held in memory.

    Args:
        name: a path, or "-" for stdin, which is copied to a temporary file.

    Raises:
        SourceError: the file is missing or not Arrow, or the stream is cut off.
    """

    def __init__(self, name: str) -> None:
        super().__init__(*_open_file(self, name, _scan_arrow, "an Arrow"))


def _open_file(
    source: ScannedSource, name: str, scan: Callable[[Path], pl.LazyFrame], kind: str
) -> tuple[str, list[Part]]:
    path = as_file(name, source)
    shown = "stdin" if name == STDIN else name
    return shown, [Part.open(path, shown, scan, kind)]


def _scan_parquet(path: Path) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _scan_arrow(path: Path) -> pl.LazyFrame:
    import polars as pl

    with path.open("rb") as file:
        if file.read(len(ARROW_STREAM)) != ARROW_STREAM:
            return pl.scan_ipc(path, glob=False, hive_partitioning=False)
        file.seek(-len(ARROW_STREAM_END), os.SEEK_END)
        if file.read() != ARROW_STREAM_END:
            raise OSError("the stream ends too early")  # caught by Part.open
        file.seek(0)
        return pl.read_ipc_stream(file).lazy()


def _check_schemas(name: str, parts: Sequence[Part], shared: pl.Schema) -> None:
    """Raise where two files differ in the name of a column, or its type where none is shared.

    Raises:
        SourceError: it names both files and the column.
    """
    first, *others = parts
    wanted = first.table.collect_schema()
    for part in others:
        found = part.table.collect_schema()
        for column in dict.fromkeys([*wanted, *found]):
            if column not in found or column not in wanted:
                has, lacks = (first, part) if column in wanted else (part, first)
                raise SourceError(
                    f"{name}: {lacks.name} has no column {column!r}, which {has.name} has",
                    hint="the files of one table have the same columns",
                )
            if found[column] != wanted[column] and column not in shared:
                raise SourceError(
                    f"{name}: column {column!r} is {wanted[column]} in {first.name}, "
                    f"and {found[column]} in {part.name}",
                    hint="the files of one table have columns of the same types",
                )


def _with_partitions(
    parts: Sequence[Part], values: Mapping[str, Sequence[str | None]]
) -> list[Part]:
    import polars as pl

    columns = parts[0].table.collect_schema().names()
    cells = {key: pl.Series(key, texts) for key, texts in values.items() if key not in columns}
    for key, series in cells.items():
        numbers = series.cast(pl.Int64, strict=False)
        texts = series.cast(pl.String)
        # 007 is a name, 7 is a number; what is no number is null, and so has to be compared too
        is_plain = numbers.cast(pl.String).eq_missing(texts).all()
        cells[key] = numbers if is_plain and texts.count() else texts
    return [
        dataclasses.replace(
            part,
            table=part.table.with_columns(
                pl.lit(series[i], dtype=series.dtype).alias(key) for key, series in cells.items()
            ),
            named={key: texts[i] for key, texts in values.items() if key in columns},
        )
        for i, part in enumerate(parts)
    ]


def shared_numbers(schemas: Sequence[Mapping[str, pl.DataType]]) -> pl.Schema:
    """Return the type that holds every number, of each column that has several types of numbers.

    It is the one that the rows have where they stand in one frame.

    Args:
        schemas: the types of the columns in each of several files.
    """
    import polars as pl

    types: dict[str, dict[pl.DataType, None]] = {}
    for schema in schemas:
        for column, dtype in schema.items():
            types.setdefault(column, {})[dtype] = None
    shared = pl.Schema()
    for column, found in types.items():
        if len(found) > 1 and all(dtype.is_numeric() for dtype in found):
            empty = [pl.DataFrame({"": pl.Series(dtype=dtype)}) for dtype in found]
            shared[column] = pl.concat(empty, how="vertical_relaxed").dtypes[0]
    return shared


def first_line(error: Exception) -> str:
    """Return the first line of another library's message."""
    return str(error).strip().split("\n")[0]
