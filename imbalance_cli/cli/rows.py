"""Writing rows as they come: CSV or JSON on stdout, or a file of these or of Parquet."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from imbalance_cli.errors import OutputError, explain_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl


RowFormat = Literal["csv", "ndjson", "json", "parquet"]
SUFFIXES: dict[str, RowFormat] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".parquet": "parquet",
}


@contextlib.contextmanager
def open_rows(
    output: Path | None, row_format: RowFormat | None = None
) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Give a function that writes frames below each other, with flat memory.

    A file appears under its name when all rows are in it, and not before.

    Args:
        output: a file; None is stdout.
        row_format: None is as the suffix says, and CSV on stdout.

    Raises:
        OutputError: the file cannot be written, or its suffix is that of no format.
    """
    if output is None:
        if row_format == "parquet":
            raise OutputError("Parquet is written to a file", hint="-o FILE.parquet")
        with _write_text(sys.stdout.buffer, "stdout", row_format or "csv") as write:
            yield write
        return
    chosen = row_format or SUFFIXES.get(output.suffix.lower())
    if chosen is None:
        raise OutputError(
            f"{output}: predictions are written as {', '.join(SUFFIXES)}",
            hint="or --format says what it is",
        )
    name, target = str(output), output.resolve()
    if target.is_dir():
        raise OutputError(f"{name}: is a directory")
    with _explain(name):
        # beside the output, so that the rename at the end stays on one file system
        scratch = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
    with scratch as folder:
        whole = Path(folder) / "whole"
        if chosen != "parquet":
            with whole.open("wb") as file, _write_text(file, name, chosen) as write:
                yield write
        else:
            yield _part_writer(Path(folder), name)
            with _explain(name):
                _join_parts(Path(folder), whole)
        with _explain(name):
            whole.replace(target)


@contextlib.contextmanager
def _explain(name: str) -> Iterator[None]:
    """Turn a failed write into an OutputError, polars' own errors too."""
    import polars as pl

    try:
        with explain_write(name):
            yield
    except pl.exceptions.PolarsError as error:
        raise OutputError(f"{name}: cannot be written: {error}") from error


@contextlib.contextmanager
def _write_text(
    file: BinaryIO, name: str, row_format: RowFormat
) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Give a function that writes frames to a file as text, which ends when they do."""
    import polars as pl

    is_first = True

    def write(frame: pl.DataFrame) -> None:
        nonlocal is_first
        if row_format == "csv":
            # a null is a blank cell, while "" would be quoted and make the column one of texts
            frame = frame.with_columns(pl.col(pl.String).replace("", None))
            text = frame.write_csv(include_header=is_first)
        elif row_format == "ndjson":
            text = frame.write_ndjson()
        else:
            items = frame.write_ndjson().rstrip("\n").replace("\n", ",\n")
            text = f"{'[' if is_first else ',' * bool(items)}\n{items}"
        with _explain(name):
            file.write(text.encode())
            file.flush()  # rows of a slow pipe are there for the next program at once
        is_first = False

    yield write
    with _explain(name):
        if row_format == "json":
            file.write(b"\n]\n")
        file.flush()


def _part_writer(folder: Path, name: str) -> Callable[[pl.DataFrame], None]:
    number = 0

    def write(frame: pl.DataFrame) -> None:
        nonlocal number
        with _explain(name):
            frame.write_parquet(folder / f"part-{number:09}.parquet")
        number += 1

    return write


def _join_parts(folder: Path, whole: Path) -> None:
    import polars as pl

    pl.scan_parquet(sorted(folder.glob("part-*.parquet"))).sink_parquet(whole)
