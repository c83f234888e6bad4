"""Writing rows as they come: CSV on stdout, or a .csv or .parquet file."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from imbalance_cli.errors import OutputError, explain_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl


@contextlib.contextmanager
def open_rows(output: Path | None) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Give a function that writes frames below each other, with flat memory.

    A file appears under its name when all rows are in it, and not before.

    Args:
        output: a .csv or .parquet file; None is CSV on stdout.

    Raises:
        OutputError: the file cannot be written, or has another suffix.
    """
    if output is None:
        yield _csv_writer(sys.stdout.buffer, "stdout")
        with _explain("stdout"):
            sys.stdout.buffer.flush()
        return
    if output.suffix.lower() not in {".csv", ".parquet"}:
        raise OutputError(f"{output}: predictions are written as .csv or .parquet")
    name, target = str(output), output.resolve()
    if target.is_dir():
        raise OutputError(f"{name}: is a directory")
    with _explain(name):
        # beside the output, so that the rename at the end stays on one file system
        scratch = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
    with scratch as folder:
        whole = Path(folder) / "whole"
        if output.suffix.lower() == ".csv":
            with whole.open("wb") as file:
                yield _csv_writer(file, name)
                with _explain(name):
                    file.flush()
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


def _csv_writer(file: BinaryIO, name: str) -> Callable[[pl.DataFrame], None]:
    import polars as pl

    is_first = True

    def write(frame: pl.DataFrame) -> None:
        nonlocal is_first
        # a null is a blank cell, while "" would be quoted and make the column one of texts
        frame = frame.with_columns(pl.col(pl.String).replace("", None))
        with _explain(name):
            file.write(frame.write_csv(include_header=is_first).encode())
        is_first = False

    return write


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
